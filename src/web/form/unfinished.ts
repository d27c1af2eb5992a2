/** Stands in a document for a part that somebody has begun to write, and that cannot be read yet. */
export class Unfinished {}

export const UNFINISHED = new Unfinished()

/** Whether there is one anywhere in it. */
export function hasUnfinished(value: unknown): boolean {
  if (value instanceof Unfinished) return true
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnfinished)
}
