import { isatty } from 'node:tty'
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import { type DestinationStream, destination, type Logger as Pino, pino } from 'pino'
import type { Logger } from '../interface/index.ts'
import type { NodeConfig } from './config.ts'
import { humanStream } from './logger/human.ts'
import type { LogLevel } from './logger/levels.ts'
import { type LogFile, openLogFile } from './logger/log-file.ts'
import { formatMessage, loggable } from './logger/loggable.ts'

export type { LogLevel } from './logger/levels.ts'

export interface LoggerInit {
  /** `trace` adds what libp2p says. @default 'info' */
  level?: LogLevel
  /** File to append JSON lines to. @default standard error: JSON lines, or text on a terminal */
  file?: LogFile
  /** Fields of every line: `{ role: 'seller' }`. */
  fields?: Record<string, unknown>
  /** Where lines go instead of `file`: tests. */
  stream?: DestinationStream
}

/** The node's log and the same log as libp2p wants it. */
export interface NodeLogger extends Logger {
  readonly level: LogLevel
  /** Logger of one room: every line names it. */
  child: (component: string) => NodeLogger
  /** For libp2p and helia: everything goes to `trace`, because it quotes strangers and a reset is no news. */
  components: () => ComponentLogger
  /** Writes what is buffered and closes the file; a line logged later is lost. */
  close: () => void
}

/**
 * Creates the log of a process. Every text is made printable (a peer cannot forge lines or move a terminal's cursor),
 * bytes are shown as their number, and fields named like secrets are left out.
 *
 * @example
 * ```ts
 * const logger = createLogger({ level: 'debug' })
 * logger.child('registry').info('synced', { block: 12n }) // {"level":"info","time":…,"component":"registry","block":"12","msg":"synced"}
 * ```
 */
export function createLogger(init: LoggerInit = {}): NodeLogger {
  const { stream, close } = openStream(init)
  const root = pino(
    {
      level: init.level ?? 'info',
      base: init.fields === undefined ? null : (loggable(init.fields) as Record<string, unknown>),
      formatters: { level: (label) => ({ level: label }) }
    },
    stream
  )
  return wrap(root, close)
}

/** The log as the settings of a node want it. */
export async function openLogger({
  logLevel,
  logFile,
  logMaxSize,
  logKeep
}: Pick<NodeConfig, 'logLevel' | 'logFile' | 'logMaxSize' | 'logKeep'>): Promise<NodeLogger> {
  if (logFile === undefined) return createLogger({ level: logLevel })
  return createLogger({
    level: logLevel,
    file: await openLogFile({ file: logFile, maxSize: logMaxSize, keep: logKeep })
  })
}

function openStream({ file, stream }: LoggerInit): { stream: DestinationStream; close: () => void } {
  if (stream !== undefined) return { stream, close: () => {} }
  if (file !== undefined) return { stream: file, close: file.close }
  // Synchronous: a line is out before the process can die, and standard error is never closed.
  const standard = destination({ dest: 2, sync: true })
  // Whoever read it is gone: that ends the log, not the node.
  standard.on('error', () => {})
  return { stream: isatty(2) ? humanStream(standard) : standard, close: () => {} }
}

function wrap(target: Pino, close: () => void): NodeLogger {
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (!target.isLevelEnabled(level)) return
      target[level](fields === undefined ? {} : (loggable(fields) as object), loggable(message) as string)
    }
  return {
    level: target.level as LogLevel,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (component) => wrap(target.child({ component }), close),
    components: () => ({ forComponent: (name) => libp2pLogger(target, name) }),
    close
  }
}

function libp2pLogger(parent: Pino, name: string): Libp2pLogger {
  const target = parent.child({ component: name })
  // libp2p logs on every frame: what is not wanted must not even be formatted.
  const trace = target.isLevelEnabled('trace')
  const write = (formatter: unknown, ...args: unknown[]): void => {
    if (trace) target.trace(formatMessage(formatter, args))
  }
  return Object.assign(write, {
    error: write,
    trace: write,
    enabled: trace,
    newScope: (scope: string) => libp2pLogger(parent, `${name}:${scope}`)
  })
}
