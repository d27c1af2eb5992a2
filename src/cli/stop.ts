import { DdmError } from '../interface/index.ts'

/** What ends a command from outside: exit codes as shells know them. */
const EXIT_ON: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

/**
 * The first SIGINT, SIGTERM or SIGHUP aborts the signal, so that the command ends in an orderly way; a second one ends the
 * process at once. A command that another program started over an IPC channel (`ddm demo`) also ends when that program is
 * gone, however it went.
 */
export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  const onSignal = (name: string): void => {
    if (stop.signal.aborted) process.exit(EXIT_ON[name] ?? 130)
    stop.abort(new DdmError('aborted', `stopped by ${name}`))
  }
  for (const name of Object.keys(EXIT_ON)) process.on(name, onSignal)
  if (process.channel !== undefined) {
    process.on('disconnect', () => stop.abort(new DdmError('aborted', 'the program that started this one is gone')))
  }
  return stop.signal
}

/** Resolves when the command shall end. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
