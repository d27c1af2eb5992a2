import { stat } from 'node:fs/promises'
import { fileError } from './problems.ts'

/** Changes whenever the file does; nothing of its content is read. */
export async function fileFingerprint(path: string): Promise<string> {
  try {
    const { size, mtimeNs, ino } = await stat(path, { bigint: true })
    return `${ino}-${size}-${mtimeNs}`
  } catch (error) {
    throw fileError(path, error)
  }
}
