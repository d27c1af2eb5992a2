import { SchemaError } from './schema-error.ts'

/** Canonical size of a schema, and how deep it nests: no more than a listing document can hold. */
export const MAX_SCHEMA_BYTES = 65_536
export const MAX_SCHEMA_DEPTH = 32
/** Subschemas that one value may have to pass, references followed: 30 doublings in `allOf` would be a thousand million. */
const MAX_SCHEMAS_PER_VALUE = 2_000

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

/** Keywords whose values are schemas, by the form of the value. `inPlace`: applied to the same value again. */
const SCHEMA = { inPlace: ['not', 'if', 'then', 'else'], inside: ['items', 'contains', 'additionalProperties'] }
const SINGLE = new Set([
  ...SCHEMA.inPlace,
  ...SCHEMA.inside,
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties'
])
const MAPS = new Set(['$defs', 'definitions', 'properties', 'patternProperties', 'dependentSchemas'])
const LISTS = new Set(['prefixItems', 'allOf', 'anyOf', 'oneOf'])
const IN_PLACE = new Set([...SCHEMA.inPlace, 'dependentSchemas', 'allOf', 'anyOf', 'oneOf'])
/** Keywords that say something about the value itself. `$ref` is among them and read with care. */
const ASSERTIONS = new Set([
  '$ref',
  'type',
  'enum',
  'const',
  'multipleOf',
  'maximum',
  'exclusiveMaximum',
  'minimum',
  'exclusiveMinimum',
  'maxLength',
  'minLength',
  'pattern',
  'maxItems',
  'minItems',
  'uniqueItems',
  'maxContains',
  'minContains',
  'maxProperties',
  'minProperties',
  'required',
  'dependentRequired'
])
/** They move the base of references, or make them depend on the path taken: a schema that is one block needs neither. */
const REFUSED = new Set(['$dynamicRef', '$recursiveRef'])

interface Subschema {
  readonly pointer: string
  /** Schemas that judge the same value as this one. */
  readonly inPlace: Subschema[]
  readonly ref?: string
}

/**
 * Rebuilds a stranger's schema from the keywords of JSON Schema 2020-12 that judge a value. What judges nothing
 * (titles, `format`, unknown keywords, also those that one validator understands and another does not) is left out;
 * what reaches beyond the schema, or could keep a validator busy for ever, is refused.
 *
 * @throws SchemaError naming the place
 */
export function readSchema(schema: unknown): object | boolean {
  checkDepth(schema, 1)
  const size = Buffer.byteLength(JSON.stringify(schema) ?? '')
  if (size > MAX_SCHEMA_BYTES) throw new SchemaError(`it has ${size} bytes (limit ${MAX_SCHEMA_BYTES})`)
  const known = new Map<string, Subschema>()
  const rebuilt = rebuild(schema, '', known)
  checkWork(known)
  return rebuilt
}

function checkDepth(value: unknown, depth: number): void {
  if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return
  if (typeof value !== 'object') throw new SchemaError(`it holds a ${typeof value}, which JSON does not have`)
  if (depth > MAX_SCHEMA_DEPTH) throw new SchemaError(`it nests deeper than ${MAX_SCHEMA_DEPTH} levels`)
  for (const entry of Object.values(value)) checkDepth(entry, depth + 1)
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rebuild(schema: unknown, pointer: string, known: Map<string, Subschema>): object | boolean {
  const refuse = (what: string): never => {
    throw new SchemaError(`${pointer === '' ? 'the schema' : pointer} ${what}`)
  }
  const inPlace: Subschema[] = []
  const { $ref } = isMap(schema) ? schema : {}
  known.set(pointer, { pointer, inPlace, ...($ref === undefined ? {} : { ref: readReference($ref, refuse) }) })
  if (typeof schema === 'boolean') return schema
  if (!isMap(schema)) return refuse('is neither an object nor a boolean')
  if (schema.$schema !== undefined && schema.$schema !== DRAFT) {
    refuse(`names ${JSON.stringify(schema.$schema)?.slice(0, 100)}; only ${DRAFT} is understood`)
  }
  if (schema.$id !== undefined && pointer !== '') refuse('has an $id; only the whole schema may')
  const child = (value: unknown, keyword: string, ...names: string[]): object | boolean => {
    const at = [pointer, keyword, ...names.map(escapePointer)].join('/')
    const rebuilt = rebuild(value, at, known)
    if (IN_PLACE.has(keyword)) inPlace.push(known.get(at) as Subschema)
    return rebuilt
  }
  const entries: Array<[string, unknown]> = []
  for (const [keyword, value] of Object.entries(schema)) {
    if (REFUSED.has(keyword)) refuse(`has ${keyword}; references are $ref with a pointer into the schema`)
    if (ASSERTIONS.has(keyword)) entries.push([keyword, value])
    else if (SINGLE.has(keyword)) entries.push([keyword, child(value, keyword)])
    else if (LISTS.has(keyword)) {
      if (!Array.isArray(value)) return refuse(`has ${keyword} that is not a list`)
      entries.push([keyword, value.map((entry, index) => child(entry, keyword, String(index)))])
    } else if (MAPS.has(keyword)) {
      if (!isMap(value)) return refuse(`has ${keyword} that is not an object`)
      if (Object.hasOwn(value, '__proto__')) return refuse(`has __proto__ in ${keyword}`)
      const children = Object.entries(value).map(([name, entry]) => [name, child(entry, keyword, name)])
      entries.push([keyword, Object.fromEntries(children)])
    }
  }
  return Object.fromEntries(entries)
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

/** Pointer of the schema that a `$ref` names. */
function readReference(ref: unknown, refuse: (what: string) => never): string {
  if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref)) {
    return refuse(
      `has the $ref ${JSON.stringify(ref)?.slice(0, 100)}; only pointers into the schema (#/…) are followed`
    )
  }
  try {
    // ajv would read `%2F` as a slash inside of a name; both forms are one name only without it.
    const pointer = decodeURIComponent(ref.slice(1))
    if (pointer === ref.slice(1)) return pointer
  } catch {}
  return refuse(`has the $ref "${ref.slice(0, 100)}"; names with % are not followed`)
}

/** Bounds what one value costs: no reference leads nowhere, back to itself, or to more schemas than the limit. */
function checkWork(known: ReadonlyMap<string, Subschema>): void {
  const cost = new Map<Subschema, number>()
  const open = new Set<Subschema>()
  const measure = (schema: Subschema): number => {
    const before = cost.get(schema)
    if (before !== undefined) return before
    const at = schema.pointer === '' ? 'the schema' : schema.pointer
    if (open.has(schema)) throw new SchemaError(`${at} refers to itself without going into the value`)
    open.add(schema)
    let sum = 1
    for (const next of schema.inPlace) sum += measure(next)
    if (schema.ref !== undefined) {
      const target = known.get(schema.ref)
      if (target === undefined)
        throw new SchemaError(`${at} refers to #${schema.ref.slice(0, 100)}, where no schema is`)
      sum += measure(target)
    }
    open.delete(schema)
    if (sum > MAX_SCHEMAS_PER_VALUE) {
      throw new SchemaError(`${at} applies more than ${MAX_SCHEMAS_PER_VALUE} schemas to one value`)
    }
    cost.set(schema, sum)
    return sum
  }
  for (const schema of known.values()) measure(schema)
}
