/**
 * The JSON Schema of what a caller may say: keys that nobody knows are refused, because a misspelt cap would otherwise be
 * no cap. Of the schema's own marks nothing is left.
 */
export function strictSchema(schema: object): Record<string, unknown> {
  return strict(JSON.parse(JSON.stringify(schema)) as Record<string, unknown>)
}

function strict(schema: Record<string, unknown>): Record<string, unknown> {
  const { properties, items, anyOf } = schema
  const changed = { ...schema }
  if (isMap(properties)) {
    changed.properties = Object.fromEntries(
      Object.entries(properties).map(([key, part]) => [key, isMap(part) ? strict(part) : part])
    )
    changed.additionalProperties ??= false
  }
  if (isMap(items)) changed.items = strict(items)
  if (Array.isArray(anyOf)) changed.anyOf = anyOf.map((part: unknown) => (isMap(part) ? strict(part) : part))
  return changed
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
