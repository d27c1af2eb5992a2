/** The part of JSON Schema that listing documents are described with. */
export interface JsonSchema {
  title?: string
  type?: string
  enum?: readonly unknown[]
  properties?: Readonly<Record<string, JsonSchema>>
  items?: JsonSchema | false
  prefixItems?: readonly JsonSchema[]
  minLength?: number
  maxLength?: number
  maxItems?: number
  minimum?: number
  maximum?: number
}

/** What a field of a form needs that stands for one part of a schema. */
export interface SchemaFieldProps {
  name: string
  schema: JsonSchema
  /** undefined: not said. */
  value: unknown
  onValue: (value: unknown) => void
}

/** `maxRecordBytes` → `Max record bytes`. */
export function labelOf(name: string, { title }: JsonSchema): string {
  if (title !== undefined) return title
  const words = name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** An object without the keys that say nothing; undefined when nothing is left. */
export function compact(value: Record<string, unknown>): Record<string, unknown> | undefined {
  const said = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return said.length === 0 ? undefined : Object.fromEntries(said)
}
