import { basename } from 'node:path'
import { DdmError, type ErrorCode } from '../interface/index.ts'
import type { Failure } from './protocol.ts'

/** Primary result codes of SQLite, and what they mean to a user of a node. https://sqlite.org/rescode.html */
const MEANINGS: Readonly<Record<number, [ErrorCode, string]>> = {
  5: ['homeBusy', 'is in use by another process'],
  6: ['homeBusy', 'is in use by another process'],
  8: ['config', 'is read-only here; check the permissions of the file and its folder'],
  10: ['internal', 'could not be read or written; check the disk'],
  11: ['config', 'is damaged; restore it from a backup'],
  13: ['config', 'cannot grow: the disk is full; free some space and try again'],
  14: ['config', 'cannot be opened; check that the folder exists and may be written'],
  19: ['internal', 'refused the write'],
  26: ['config', 'is not a database']
}

/** After these nothing that was written before can be trusted to be on the disk, so the worker stops. */
const FATAL = new Set([10, 11, 26])

export function isFatal(failure: Failure): boolean {
  return failure.sqlite !== undefined && FATAL.has(failure.sqlite)
}

/** Worker side: any error as plain data. */
export function toFailure(error: unknown, path: string): Failure {
  if (error instanceof DdmError) return { code: error.code, message: error.message }
  const { errcode, message } = error as { errcode?: number; message?: string }
  if (errcode === undefined) return { code: 'internal', message: `${basename(path)}: ${message ?? String(error)}` }
  const sqlite = errcode & 0xff
  const [code, meaning] = MEANINGS[sqlite] ?? ['internal', 'answered with an error']
  return { code, message: `${basename(path)} ${meaning} (${message})`, sqlite }
}

/** Main side: what callers catch. */
export function toError(failure: Failure): DdmError {
  const details = failure.sqlite === undefined ? {} : { sqlite: failure.sqlite }
  return new DdmError(failure.code, failure.message, { details })
}
