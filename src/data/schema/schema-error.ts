/** Why a schema is not taken; the validator makes it a `DdmError` of the room. */
export class SchemaError extends Error {}
