import type { Command } from 'commander'
import {
  type Currency,
  currencyOf as currencyOfRail,
  DdmError,
  formatUnits,
  type RailName
} from '../interface/index.ts'
import type { DdmNode, NodeInit } from '../node/index.ts'
import type { Output } from './output.ts'
import { withPassphrase } from './passphrase.ts'

/** Flags that every command takes. */
export interface GlobalFlags {
  home?: string
  network?: string
  json?: boolean
  quiet?: boolean
  logLevel?: string
  insecureDevKeys?: boolean
  listen?: string[]
  passphraseFile?: string
  set?: Record<string, string>
}

/** What a command gets besides its own arguments. */
export interface Context {
  readonly flags: GlobalFlags
  readonly output: Output
  /** Aborted when the user, or the program that started this one, wants it to end. */
  readonly signal: AbortSignal
}

/** Resolves with the exit code, or nothing for 0. */
export type Act = (context: Context, ...args: never[]) => Promise<number | undefined>

/** Adds one command to the program; `act` wraps what it does. */
export type Register = (program: Command, act: (run: Act) => (...args: unknown[]) => Promise<void>) => void

/** The rooms behind the command line are loaded when a command needs them: `ddm --help` stays fast. */
export function loadNode(): Promise<typeof import('../node/index.ts')> {
  return import('../node/index.ts')
}

export interface NodeNeeds {
  /** Log level when the user names none: servers talk, commands that end by themselves say what matters in their result. */
  logLevel: 'info' | 'error'
  config?: Record<string, unknown>
}

/** What to start a node from, out of flags. */
export async function nodeInit({ flags }: Context, needs: NodeNeeds): Promise<NodeInit> {
  const { resolveHome, SETTINGS } = await loadNode()
  const { logLevel, listen, set, insecureDevKeys, network, passphraseFile } = flags
  const unknown = Object.keys(set ?? {}).find((name) => !Object.hasOwn(SETTINGS, name))
  if (unknown !== undefined) {
    throw new DdmError(
      'usage',
      `--set ${unknown}: there is no such setting; known are ${Object.keys(SETTINGS).join(', ')}`
    )
  }
  const level = logLevel ?? (flags.quiet === true ? 'error' : (process.env.DDM_LOG_LEVEL ?? needs.logLevel))
  const config = { ...needs.config, logLevel: level, ...set, ...(listen === undefined ? {} : { listen }) }
  return {
    home: resolveHome(flags.home),
    // Checked by the node like everything else that is configured, with the name of the setting in its message.
    config: config as NonNullable<NodeInit['config']>,
    ...(network === undefined ? {} : { network }),
    ...(insecureDevKeys === true ? { insecureDevKeys } : {}),
    ...(passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) })
  }
}

async function readPassphrase(file: string): Promise<string> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new DdmError('keyLocked', `--passphrase-file ${file} cannot be read (${error.code})`, { cause: error })
  })
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase === '') throw new DdmError('keyLocked', `--passphrase-file ${file} is empty`)
  return passphrase
}

/** A chain and a bootstrap node answer within a second; who waits longer wants to know that they do not. */
const START_TIMEOUT_MS = 20_000

/** Runs a node for as long as `use` takes, and stops it in an orderly way, whatever happened. */
export async function withNode<T>(context: Context, needs: NodeNeeds, use: (node: DdmNode) => Promise<T>): Promise<T> {
  const { createNode } = await loadNode()
  const init = await nodeInit(context, needs)
  const start = (complete: NodeInit): Promise<DdmNode> =>
    createNode(complete, { signal: AbortSignal.any([context.signal, AbortSignal.timeout(START_TIMEOUT_MS)]) })
  const node = await withPassphrase(init, start, context)
  try {
    return await use(node)
  } finally {
    await node.stop()
  }
}

/** What a rail pays in; without one the token in which the network prices. */
export function currencyOf(node: Pick<DdmNode, 'profile'>, rail: RailName = 'evm'): Currency {
  return currencyOfRail(node.profile, rail)
}

/** `0.05 USDC`. */
export function moneyText(amount: bigint, { symbol, decimals }: Currency): string {
  return `${formatUnits(amount, decimals)} ${symbol}`
}
