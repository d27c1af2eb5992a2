import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type AbortOptions,
  type DataSource,
  DdmError,
  MAX_RECORD_BYTES,
  type SourceRecord
} from '../../interface/index.ts'
import { throwIfAborted } from '../abort.ts'
import { reconnecting } from '../brokers/reconnect.ts'
import { checkStatus, type HttpAddress, httpFailure, parseHttpAddress, request } from '../http.ts'
import { parseExactly } from '../transforms/fields.ts'
import type { SourceOptions } from './parse-source.ts'
import { problems } from './problems.ts'

const USUAL_PERIOD_MS = 10_000

/** Nobody's server is asked more often. */
const LEAST_PERIOD_MS = 100

/** For one answer, from the question to its last byte. */
const TIMEOUT_MS = 60_000

/** An array of records; any other answer is one record. */
const MAX_ARRAY_BYTES = 8 * 1024 * 1024

const ARRAY_START = 0x5b

/** What was seen last. */
interface Seen {
  etag?: string
  modified?: string
  /** Of the body. */
  digest?: string
}

/**
 * An HTTP address that is asked again and again. The answer is JSON: an array gives a record for each of its items,
 * anything else is one; the same answer again gives none. Servers that know `ETag` or `Last-Modified` are asked for news
 * only, and are left alone for as long as `Retry-After` says.
 *
 * @example
 * ```ts
 * const source = poll('https://api.example/air', { periodMs: 60_000, headers: { Authorization: 'Bearer …' } })
 * ```
 *
 * @throws DdmError `usage` at once; when read, `unreachable` without a first answer, `config` or `notFound` for an answer
 * that will not change by itself, `badRecord` for one that is not JSON
 */
export function poll(url: string, options: SourceOptions = {}): DataSource {
  const to = parseHttpAddress(url, ['https', 'http'], options.headers)
  const { periodMs = USUAL_PERIOD_MS } = options
  if (!(periodMs >= LEAST_PERIOD_MS)) {
    throw new DdmError('usage', `${to.name}: a period of ${periodMs} ms is too short; give ${LEAST_PERIOD_MS} or more`)
  }
  const problem = problems(options)
  return {
    name: to.name,
    finite: false,
    records: ({ signal, from } = {}) => {
      let seen = from === undefined ? {} : readPosition(to, from)
      const abort = signal === undefined ? {} : { signal }
      let due = 0
      const read = async function* (opened: () => void): AsyncGenerator<SourceRecord> {
        for (;;) {
          await delay(Math.max(0, due - performance.now()), undefined, abort)
          due = performance.now() + periodMs
          const answer = await ask(to, seen, opened, abort)
          if (answer === undefined) continue
          const isNews = answer.seen.digest !== seen.digest
          seen = answer.seen
          if (isNews) yield* recordsOf(to, answer, problem)
        }
      }
      return reconnecting(read, signal, options)
    }
  }
}

interface Answer {
  /** Undefined when there was too much of it. */
  body: Buffer | undefined
  seen: Seen
}

/** Undefined when there is nothing new. */
async function ask(
  to: HttpAddress,
  { etag, modified }: Seen,
  opened: () => void,
  abort: AbortOptions
): Promise<Answer | undefined> {
  throwIfAborted(abort)
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const signal = abort.signal === undefined ? timeout : AbortSignal.any([abort.signal, timeout])
  try {
    const headers = {
      accept: 'application/json',
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
      ...(modified === undefined ? {} : { 'if-modified-since': modified })
    }
    const response = await request(to, { headers, signal })
    opened()
    try {
      checkStatus(to.name, response)
      if (response.status === 304 || response.status === 204) return undefined
      return await readAnswer(response)
    } finally {
      await response.body?.cancel().catch(() => {})
    }
  } catch (error) {
    throw httpFailure(to.name, error, abort.signal)
  }
}

async function readAnswer({ body, headers }: Response): Promise<Answer> {
  const hash = createHash('sha256')
  const parts: Uint8Array[] = []
  let length = 0
  let limit = MAX_ARRAY_BYTES
  for await (const part of body ?? []) {
    hash.update(part)
    parts.push(part)
    if (length === 0) limit = firstByte(part) === ARRAY_START ? MAX_ARRAY_BYTES : MAX_RECORD_BYTES
    length += part.byteLength
    if (length > limit) break
  }
  const etag = headers.get('etag')
  const modified = headers.get('last-modified')
  const seen = {
    digest: hash.digest('base64'),
    ...(etag === null ? {} : { etag }),
    ...(modified === null ? {} : { modified })
  }
  return { body: length > limit ? undefined : Buffer.concat(parts), seen }
}

function firstByte(part: Uint8Array): number | undefined {
  return part.find((byte) => byte > 0x20 && byte < 0x80)
}

function* recordsOf(
  { name }: HttpAddress,
  { body, seen }: Answer,
  problem: (error: DdmError) => void
): Generator<SourceRecord> {
  const position = JSON.stringify(seen)
  const bad = (why: string): void => problem(new DdmError('badRecord', `${name}: ${why}`))
  if (body === undefined) {
    return bad(`the answer is too large: a record has at most ${MAX_RECORD_BYTES} bytes, an array ${MAX_ARRAY_BYTES}`)
  }
  let value: unknown
  try {
    value = parseExactly(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch (error) {
    return bad(`the answer is not JSON (${(error as Error).message})`)
  }
  const items = Array.isArray(value) ? value.map((item) => Buffer.from(JSON.stringify(item))) : [body]
  const good = items.filter((bytes, index) => {
    if (bytes.byteLength <= MAX_RECORD_BYTES) return true
    bad(`item ${index} has ${bytes.byteLength} bytes; a record has at most ${MAX_RECORD_BYTES}`)
    return false
  })
  // Only with the last one everything of this answer is there.
  for (const [index, bytes] of good.entries()) yield index === good.length - 1 ? { bytes, position } : { bytes }
}

function readPosition({ name }: HttpAddress, position: string): Seen {
  try {
    const { etag, modified, digest } = JSON.parse(position) as Seen
    if ([etag, modified, digest].every((part) => part === undefined || typeof part === 'string')) {
      return {
        ...(etag === undefined ? {} : { etag }),
        ...(modified === undefined ? {} : { modified }),
        ...(digest === undefined ? {} : { digest })
      }
    }
  } catch {
    // Said below.
  }
  throw new DdmError('usage', `${name}: "${position.slice(0, 80)}" is not a position of this source`)
}
