import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type AbortOptions, type DataSource, DdmError, printable, type SourceRecord } from '../../interface/index.ts'
import { abortedBy, throwIfAborted } from '../abort.ts'
import { reconnecting } from '../brokers/reconnect.ts'
import { LineSplitter, readLine } from './lines.ts'
import type { SourceOptions } from './parse-source.ts'
import { badLine, problems } from './problems.ts'

/** A command that does not end when it is asked to is killed after this time, in ms. */
const GRACE_MS = 2_000

/** Of a line on standard error, for people. */
const MAX_NOTE = 500

/**
 * What a command of the shell writes to standard output, as JSON lines. The source ends when the command ends well. When
 * it fails after it gave records it is started again, with growing pauses; before that the failure is the source's.
 *
 * @example
 * ```ts
 * const source = exec('rtl_433 -F json', { onLog: (line) => logger.info(line) })
 * ```
 *
 * @throws DdmError when read: `config` when the command fails without a record, `badRecord` naming the line
 */
export function exec(command: string, options: SourceOptions = {}): DataSource {
  return {
    // A command may have a password in it.
    name: `exec:${command.trim().split(/\s/, 1)[0]}`,
    finite: false,
    records: ({ signal } = {}) => {
      const reading: Reading = { given: false, problem: problems(options) }
      const abort = signal === undefined ? {} : { signal }
      return reconnecting((opened) => run(command, reading, opened, { ...options, ...abort }), signal, options)
    }
  }
}

/** What outlives a run of the command. */
interface Reading {
  /** Whether any run gave a record: then what is wrong may pass. */
  given: boolean
  problem: (error: DdmError) => void
}

async function* run(
  command: string,
  reading: Reading,
  opened: () => void,
  { onLog, ...abort }: Pick<SourceOptions, 'onLog'> & AbortOptions
): AsyncGenerator<SourceRecord> {
  throwIfAborted(abort)
  const { signal } = abort
  // A group of its own, so that what the shell starts ends with it.
  const child = spawn(command, { shell: true, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  ended.catch(() => {})
  const stop = (): void => {
    killGroup(child, 'SIGTERM')
    // One that does not listen must not keep the reader.
    child.stdout.destroy()
  }
  // Nothing of it outlives this process.
  const onExit = (): void => killGroup(child, 'SIGKILL')
  process.once('exit', onExit)
  signal?.addEventListener('abort', stop, { once: true })
  const name = `exec:${command.trim().split(/\s/, 1)[0]}`
  let last = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    last = printable(line.slice(0, MAX_NOTE))
    onLog?.(last)
  })
  let isOpen = false
  let number = 0
  try {
    const splitter = new LineSplitter()
    const cut = function* (chunk: Buffer | undefined) {
      for (const line of chunk === undefined ? splitter.end() : splitter.push(chunk)) {
        number += 1
        const record = readLine(line)
        if (typeof record === 'string') reading.problem(badLine(name, number, record))
        else if (record !== undefined) yield record
      }
    }
    const take = function* (chunk: Buffer | undefined) {
      for (const record of cut(chunk)) {
        if (!isOpen) opened()
        isOpen = true
        reading.given = true
        yield record
      }
    }
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) yield* take(chunk)
    yield* take(undefined)
    const [code, killedBy] = await ended
    throwIfAborted(abort)
    if (code === 0) return
    const how = killedBy === null ? `ended with ${code}` : `was ended by ${killedBy}`
    const text = `the command "${name.slice(5)}" ${how}${last === '' ? '' : `: ${last}`}`
    throw new DdmError(reading.given ? 'unreachable' : 'config', text, { details: { code: code ?? -1 } })
  } catch (error) {
    throw signal?.aborted === true ? abortedBy(signal) : error
  } finally {
    signal?.removeEventListener('abort', stop)
    process.off('exit', onExit)
    await end(child, ended)
  }
}

/** Resolves when the command and all that it started in its group are gone. */
async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) killGroup(child, 'SIGTERM')
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), GRACE_MS)
  child.stdout?.destroy()
  child.stderr?.destroy()
  await ended.catch(() => {})
  clearTimeout(timer)
  killGroup(child, 'SIGKILL')
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It is gone already.
  }
}
