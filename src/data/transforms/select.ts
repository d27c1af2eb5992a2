import { DdmError, type SourceRecord } from '../../interface/index.ts'
import { eachRecord, type RecordTransform } from './each.ts'
import { type FieldPath, parsePath, readObject, valueAt } from './fields.ts'
import type { Refuse } from './invalid.ts'

const MAX_FIELDS = 256

/**
 * Keeps the named fields of each record, nested ones as they are nested, in the order in which they are named. A record
 * that is no JSON object, or has not all of them, goes to `refuse`.
 *
 * @example
 * ```ts
 * selectFields(['time', 'wind.speed'], refuse) // {"time":…,"wind":{"speed":…}}
 * ```
 *
 * @throws DdmError `usage` for a path that is none
 */
export function selectFields(fields: readonly string[], refuse: Refuse): RecordTransform {
  if (!Array.isArray(fields) || fields.length === 0 || fields.length > MAX_FIELDS) {
    throw new DdmError('usage', `select: name 1 to ${MAX_FIELDS} fields, like time,temperature`)
  }
  const paths = fields.map(parsePath)
  return eachRecord(() => {
    let number = 0
    return (record) => {
      number++
      const chosen = choose(record, paths, number, refuse)
      return chosen === undefined ? undefined : { ...record, bytes: chosen }
    }
  })
}

function choose(
  { bytes }: SourceRecord,
  paths: readonly FieldPath[],
  number: number,
  refuse: Refuse
): Uint8Array | undefined {
  const object = readObject(bytes)
  if (object === undefined) {
    refuse(new DdmError('badRecord', `record ${number} is no JSON object: no field of it can be selected`))
    return undefined
  }
  const chosen = emptyObject()
  for (const path of paths) {
    const value = valueAt(object, path)
    if (value === undefined) {
      refuse(new DdmError('badRecord', `record ${number} has no field "${path.join('.')}", which select names`))
      return undefined
    }
    put(chosen, path, value)
  }
  return Buffer.from(JSON.stringify(chosen))
}

/** Without a prototype every name is a name like any other. */
function emptyObject(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>
}

function put(target: Record<string, unknown>, path: FieldPath, value: unknown): void {
  let inside = target
  for (const name of path.slice(0, -1)) {
    inside[name] ??= emptyObject()
    inside = inside[name] as Record<string, unknown>
  }
  inside[path.at(-1) as string] = value
}
