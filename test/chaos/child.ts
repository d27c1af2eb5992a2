import { appendFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { DdmError, type FaultPoint, onFaultPoint } from '../../src/interface/index.ts'
import type { DdmNode } from '../../src/node/index.ts'

/** What a peer process is started with, as JSON in its first argument. */
export interface PeerInit {
  home: string
  /** File of the network profile. */
  network: string
  /** File for what the node logs. */
  log: string
  /** File to which the process writes the point that it dies at, right before it does. */
  deaths: string
  arm?: Arm
  listen: string[]
  announce: string[]
  bootstrap: string[]
}

export interface Arm {
  point: FaultPoint
  passing: number
}

export interface Asked {
  id: number
  type: string
  content: unknown
}

export interface Answered {
  id: number
  result?: unknown
  error?: Failure
}

/** An error as the parent gets it; code and details of a DdmError. */
export interface Failure {
  stack: string
  code?: string
  details?: DdmError['details']
}

function failureOf(error: unknown): Failure {
  const stack = (error as Error).stack ?? String(error)
  if (!(error instanceof DdmError)) return { stack }
  const { code, details } = error
  return { stack, code, ...(details === undefined ? {} : { details }) }
}

/** Kills this process the `passing`-th time from now that it passes the point; undefined: it lives. */
function arm(to: Arm | undefined, deaths: string): void {
  if (to === undefined) {
    onFaultPoint(undefined)
    return
  }
  let left = to.passing
  onFaultPoint((point) => {
    if (point !== to.point || --left > 0) return
    appendFileSync(deaths, `${point}\n`)
    process.kill(process.pid, 'SIGKILL')
  })
}

/** Reads what this process was started with, and is armed from here on. */
export function begin(): PeerInit {
  const init = JSON.parse(process.argv[2] ?? '{}') as PeerInit
  arm(init.arm, init.deaths)
  return init
}

/** Nobody was there to connect to. */
export const UNREACHABLE_EXIT = 3

/** Answers the parent's questions about a node, several at a time; ends when the parent goes, or when it cannot start. */
export function answer(
  init: PeerInit,
  starting: Promise<DdmNode>,
  handlers: Record<string, (content: never) => Promise<unknown>>
): void {
  starting.then(
    // At its exit, as Node does it, would be too late.
    () => flushCompileCache(),
    (error: unknown) => {
      console.error(error)
      process.exit(error instanceof DdmError && error.code === 'unreachable' ? UNREACHABLE_EXIT : 1)
    }
  )
  process.on('message', ({ id, type, content }: Asked) => {
    const reply = (answered: Omit<Answered, 'id'>): void => void process.send?.({ id, ...answered })
    if (type === 'arm') {
      arm(content as Arm | undefined, init.deaths)
      reply({})
      return
    }
    const handler = handlers[type]
    const work = handler === undefined ? Promise.reject(new Error(`no ${type}`)) : handler(content as never)
    work.then(
      (result) => reply({ result }),
      (error: unknown) => reply({ error: failureOf(error) })
    )
  })
  process.on('disconnect', () => {
    starting
      .then((node) => node.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1)
      )
  })
}
