import { type ChildProcess, fork } from 'node:child_process'

/** A process that answers one message at a time. */
export interface Peer {
  readonly pid: number
  ask: <T>(message: Record<string, unknown>) => Promise<T>
  stop: () => Promise<void>
}

type Answer = { result: unknown } | { error: string }

/** Starts a bench process; it ends with this one. */
export function startPeer(file: string, arguments_: string[] = [], flags: string[] = []): Peer {
  const child: ChildProcess = fork(new URL(file, import.meta.url), arguments_, {
    serialization: 'advanced',
    execArgv: [
      ...flags,
      ...(process.env.BENCH_PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`])
    ],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    pid: child.pid ?? 0,
    ask: <T>(message: Record<string, unknown>): Promise<T> =>
      new Promise((resolve, reject) => {
        const onExit = (): void => reject(new Error(`${file} ended`))
        child.once('exit', onExit)
        child.once('message', (answer) => {
          child.off('exit', onExit)
          const { result, error } = answer as { result?: T; error?: string }
          if (error === undefined) resolve(result as T)
          else reject(new Error(`${file}: ${error}`))
        })
        child.send(message)
      }),
    stop: async () => {
      if (child.connected) child.disconnect()
      await exited
    }
  }
}

/** The child's side: answers each message with what `handlers[message.type]` returns; ends when the parent goes. */
export function answer(
  handlers: Record<string, (message: never) => Promise<unknown>>,
  onEnd: () => Promise<void>
): void {
  process.on('message', (message: { type: string }) => {
    const handler = handlers[message.type]
    const work = handler === undefined ? Promise.reject(new Error(`no ${message.type}`)) : handler(message as never)
    work
      .then(
        (result): Answer => ({ result }),
        (error: unknown): Answer => ({ error: (error as Error).stack ?? String(error) })
      )
      .then(
        (reply) => process.send?.(reply),
        () => {}
      )
  })
  process.on('disconnect', () => {
    onEnd().then(
      () => process.exit(0),
      () => process.exit(1)
    )
  })
}
