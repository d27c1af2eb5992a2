import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'
import { compilePattern } from './pattern.ts'
import type { RecordRules } from './protocol.ts'
import { readSchema } from './read-schema.ts'
import { SchemaError } from './schema-error.ts'

/** Why a record breaks the rules; undefined when it keeps them. */
export type RecordCheck = (record: Uint8Array) => string | undefined

const MAX_REASON = 200

const pattern = Object.assign((source: string) => compilePattern(source), { code: 'compilePattern' })

/** What ajv would do beyond the standard is off: `format` is a remark, names on a prototype are nobody's properties. */
function createAjv(): Ajv2020 {
  const ajv = new Ajv2020({
    strict: false,
    validateFormats: false,
    ownProperties: true,
    // 0.07 is a multiple of 0.01, which binary fractions do not know.
    multipleOfPrecision: 9,
    // A definition that is used a thousand times would be written a thousand times.
    inlineRefs: false,
    logger: false,
    code: { regExp: pattern }
  })
  // The schema of schemas takes most of the time.
  ajv.compile({})
  return ajv
}

/** Of each schema that it compiled an instance keeps some kilobytes, also of one that was removed: it serves so many. */
const SCHEMAS_PER_INSTANCE = 64

// Before anybody's clock runs.
let ajv = createAjv()

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Compiles what a listing says of its records. Runs in the worker: neither time nor memory of it is bounded here.
 *
 * @throws SchemaError
 */
export function compileRecordCheck({ encoding, schema, maxRecordBytes }: RecordRules): RecordCheck {
  const judge = schema === undefined ? () => undefined : compileSchema(schema)
  return (record) => {
    if (maxRecordBytes !== undefined && record.length > maxRecordBytes) {
      return `it has ${record.length} bytes, at most ${maxRecordBytes} are allowed`
    }
    // JSON Schema speaks of JSON values: CBOR and raw bytes are beyond it.
    if (encoding !== 'json' && encoding !== 'text') return undefined
    let value: unknown
    try {
      value = decoder.decode(record)
    } catch {
      return 'it is not UTF-8'
    }
    if (encoding === 'json') {
      try {
        value = JSON.parse(value as string)
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
        return 'it is not JSON'
      }
    }
    return judge(value)
  }
}

let compiled = 0

function compileSchema(stranger: object | boolean): (value: unknown) => string | undefined {
  const rebuilt = readSchema(stranger)
  if (++compiled % SCHEMAS_PER_INSTANCE === 0) ajv = createAjv()
  // An ID of our own: references of one schema never find another.
  const $id = `http://schema.invalid/${compiled}`
  const schema = rebuilt === true ? { $id } : rebuilt === false ? { $id, not: {} } : { ...rebuilt, $id }
  let validate: ReturnType<typeof ajv.compile>
  try {
    validate = ajv.compile(schema)
  } catch (error) {
    if (error instanceof SchemaError) throw error
    throw new SchemaError((error as Error).message.slice(0, MAX_REASON))
  } finally {
    ajv.removeSchema($id)
  }
  return (value) => (validate(value) === true ? undefined : describe(validate.errors?.[0]))
}

function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return 'it does not satisfy the schema'
  const { instancePath, message = 'does not satisfy the schema', params } = error
  const extra: unknown = params.additionalProperty ?? params.unevaluatedProperty ?? params.propertyName
  const name = extra === undefined ? '' : `: ${JSON.stringify(extra)}`
  const text = `${instancePath === '' ? 'the record' : instancePath} ${message}${name}`
  return text.length > MAX_REASON ? `${text.slice(0, MAX_REASON - 1)}…` : text
}
