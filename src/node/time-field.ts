import type { ListingDocument } from '../interface/index.ts'

/** A stranger's schema is looked through no deeper than people nest records. */
const MAX_DEPTH = 8

/**
 * Which field of its records a listing calls a time: the first property of its JSON Schema with `"format": "date-time"`.
 * undefined when it names none.
 */
export function timeField({ schema }: Pick<ListingDocument, 'schema'>): string | undefined {
  return schema.encoding === 'json' ? find(schema.jsonSchema, [])?.join('.') : undefined
}

function find(schema: unknown, path: readonly string[]): readonly string[] | undefined {
  if (typeof schema !== 'object' || schema === null || path.length > MAX_DEPTH) return undefined
  const { format, properties } = schema as { format?: unknown; properties?: unknown }
  if (format === 'date-time' && path.length > 0) return path
  if (typeof properties !== 'object' || properties === null) return undefined
  for (const [name, property] of Object.entries(properties)) {
    // A name with a dot in it has no path.
    const found = name.includes('.') || name === '' ? undefined : find(property, [...path, name])
    if (found !== undefined) return found
  }
  return undefined
}
