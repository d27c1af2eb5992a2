import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import type { ConnectedNode, ServedNode } from '../api/index.ts'
import {
  type Currency,
  currencyOf as currencyOfRail,
  DdmError,
  formatUnits,
  type NetworkProfile,
  type RailName
} from '../interface/index.ts'
import type { DdmNode, LocalNode, NodeInit } from '../node/index.ts'
import type { Output } from './output.ts'
import { withPassphrase } from './passphrase.ts'
import { packageRoot, version } from './version.ts'

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
  /** What somebody has typed already. */
  passphrase?: string
  /** Others may use this node over its API meanwhile. */
  serve?: boolean
  /** Flags of the command that were given and that a node which runs already cannot heed. */
  starting?: readonly string[]
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
    ...(passphraseFile === undefined ? {} : { passphrase: await readPassphrase(passphraseFile) }),
    ...(needs.passphrase === undefined ? {} : { passphrase: needs.passphrase })
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

/** A busy or a small machine takes its time to load what a node is made of; a chain that hangs is given up all the same. */
const START_TIMEOUT_MS = 60_000

/**
 * Uses the node that runs on this home; without one it starts a node for as long as `use` takes, and stops it in an
 * orderly way, whatever happened.
 */
export async function withNode<T>(context: Context, needs: NodeNeeds, use: (node: DdmNode) => Promise<T>): Promise<T> {
  const running = await runningNode(context, needs)
  const { node, stop } =
    running === undefined ? await startNode(context, needs) : { ...running, stop: () => running.node.stop() }
  try {
    return await use(node)
  } finally {
    await stop()
  }
}

/** Flags of every command that only a node which starts can heed. A passphrase contradicts nothing: the keys are open. */
const STARTING = { set: '--set', listen: '--listen' } as const

/**
 * The node of another process that has this home.
 *
 * @throws DdmError `usage` when flags were given that only a new one could heed; `networkMismatch` when it is in another
 * network than `--network` names: what is paid there is other money
 */
export async function runningNode(
  { flags, signal }: Context,
  { starting = [] }: Pick<NodeNeeds, 'starting'> = {}
): Promise<ConnectedNode | undefined> {
  const [{ connectNode }, { resolveHome }] = await Promise.all([import('../api/index.ts'), loadNode()])
  const running = await connectNode(resolveHome(flags.home), { signal })
  if (running === undefined) return undefined
  const given = Object.entries(STARTING).filter(([name]) => flags[name as keyof typeof STARTING] !== undefined)
  const [flag] = [...given.map(([, written]) => written), ...starting]
  if (flag === undefined) {
    if (flags.network !== undefined) await checkNetwork(flags.network, running)
    return running
  }
  throw new DdmError(
    'usage',
    `a node runs on this home (process ${running.pid}) with settings of its own; ${flag} is for a node that starts: stop that one first`
  )
}

/** What makes a network the one that it is. */
const MARKS: Readonly<Record<string, (profile: NetworkProfile) => string>> = {
  'chain ID': ({ chain }) => String(chain.id),
  'genesis block': ({ chain }) => chain.genesisHash.toLowerCase(),
  escrow: ({ contracts }) => contracts.escrow.toLowerCase(),
  registry: ({ contracts }) => contracts.registry.toLowerCase(),
  'IOTA network': ({ iota }) => iota?.chainIdentifier ?? 'none'
}

async function checkNetwork(file: string, { node, pid }: ConnectedNode): Promise<void> {
  const { readProfile } = await loadNode()
  const named = await readProfile(file)
  const mark = Object.entries(MARKS).find(([, of]) => of(named) !== of(node.profile))
  if (mark === undefined) return
  const [what, of] = mark
  throw new DdmError(
    'networkMismatch',
    `--network ${file} names another network than the one of the node that runs on this home (process ${pid}, ` +
      `"${node.profile.name}"): its ${what} is ${of(named)}, there it is ${of(node.profile)}; leave the flag out, or ` +
      'stop that node first'
  )
}

/** Resolves when the listings are those of the chain as it is now. */
export function synced({ output, signal }: Context, node: DdmNode): Promise<void> {
  return output.during('Reading the listings from the chain', node.listings.synced({ signal }))
}

interface StartedNode {
  node: DdmNode
  /** Where it serves its API, if it does. */
  served: ServedNode | undefined
  stop: () => Promise<void>
}

/** Starts a node and, if that is needed, its API. */
export async function startNode(context: Context, needs: NodeNeeds & { reopen?: boolean }): Promise<StartedNode> {
  const { createNode } = await loadNode()
  const init = await nodeInit(context, needs)
  const start = async (complete: NodeInit): Promise<LocalNode> => {
    const late = AbortSignal.timeout(START_TIMEOUT_MS)
    try {
      return await createNode(complete, { signal: AbortSignal.any([context.signal, late]) })
    } catch (error) {
      if (!late.aborted || context.signal.aborted || !(error instanceof DdmError) || error.code !== 'aborted')
        throw error
      const seconds = START_TIMEOUT_MS / 1_000
      throw new DdmError(
        'unreachable',
        `the node did not start within ${seconds} s (${error.message}); ddm doctor says what does not answer`,
        { cause: error }
      )
    }
  }
  const node = await withPassphrase(init, start, context)
  try {
    const served = needs.serve === true ? await serve(node, needs.reopen === true) : undefined
    const finish = (): Promise<void> => node.stop()
    // Who asks while the node finishes its sessions gets no half answers.
    return { node, served, stop: served === undefined ? finish : () => served.stop(finish) }
  } catch (error) {
    await node.stop()
    throw error
  }
}

async function serve(node: LocalNode, reopen: boolean): Promise<ServedNode | undefined> {
  const { serveNode } = await import('../api/index.ts')
  return serveNode({ node, version: version(), page: pageFolder(), reopen })
}

/** The page as it was built; a checkout that was never built has none. */
function pageFolder(): string | undefined {
  const folder = fileURLToPath(new URL('dist/web', packageRoot()))
  return existsSync(folder) ? folder : undefined
}

/** What a rail pays in; without one the token in which the network prices. */
export function currencyOf(node: Pick<DdmNode, 'profile'>, rail: RailName = 'evm'): Currency {
  return currencyOfRail(node.profile, rail)
}

/** `0.05 USDC`. */
export function moneyText(amount: bigint, { symbol, decimals }: Currency): string {
  return `${formatUnits(amount, decimals)} ${symbol}`
}
