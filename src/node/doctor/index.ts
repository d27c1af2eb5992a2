import type { AbortOptions, NetworkProfile } from '../../interface/index.ts'
import { loadConfig } from '../config.ts'
import { homePaths, isHomeLocked } from '../home.ts'
import { passphraseFrom } from '../keys.ts'
import { createLogger } from '../logger.ts'
import { loadProfile, withOverrides } from '../settings.ts'
import type { DdmNode, NodeInit } from '../types.ts'
import { checkBalance, checkClock, checkRpc } from './chain-checks.ts'
import { type Finding, failedWith, ok } from './finding.ts'
import { checkDisk, checkHome, checkKeys, hasKeys } from './home-checks.ts'
import { checkPeers, checkReachability } from './network-checks.ts'

export type { Finding } from './finding.ts'

export interface DiagnoseOptions extends AbortOptions {
  /** Runs something on a node: the one of the home, or one that is started for it. */
  withNode: (use: (node: DdmNode) => Promise<void>) => Promise<void>
  /** Unix ms. @default Date.now */
  now?: () => number
}

/**
 * Looks at everything that a node needs, in the order in which it needs it, and says what to do. What cannot be looked at
 * because something before it fails is left out.
 *
 * @example
 * ```ts
 * for await (const { check, state, found, advice } of diagnose({ home }, { withNode })) console.log(check, state, found, advice)
 * ```
 */
export async function* diagnose(init: NodeInit, options: DiagnoseOptions): AsyncGenerator<Finding> {
  const paths = homePaths(init.home)
  const home = await checkHome(paths)
  yield home
  if (home.state === 'fail') return
  yield await checkDisk(paths)

  const profile = await readProfile(init)
  yield profile.finding
  if (profile.profile === undefined) return
  const running = isHomeLocked(init.home)
  const keys = await checkKeys(paths, {
    running,
    passphrase: init.passphrase ?? passphraseFrom(),
    iota: profile.profile.iota !== undefined
  })
  yield keys
  const chain = yield* chainFindings(profile.profile, init, options)
  // One that runs has its keys and its chain; one that would be started needs them.
  const { announced = [] } = profile
  if (running || (chain && hasKeys(paths) && keys.state !== 'fail')) yield* nodeFindings(options, announced)
}

async function readProfile(
  init: NodeInit
): Promise<{ finding: Finding; profile?: NetworkProfile; announced?: readonly string[] }> {
  const paths = homePaths(init.home)
  try {
    const { config } = await loadConfig({ file: paths.config, overrides: init.config ?? {} })
    const profile = withOverrides(await loadProfile(init.network, paths), config)
    const finding = ok('network', `"${profile.name}", and the settings are sound`)
    return { finding, profile, announced: config.announce }
  } catch (error) {
    return { finding: failedWith('network', error) }
  }
}

async function* chainFindings(
  profile: NetworkProfile,
  { home }: NodeInit,
  { now, signal }: DiagnoseOptions
): AsyncGenerator<Finding, boolean> {
  const abort = signal === undefined ? {} : { signal }
  const { finding, chain } = await checkRpc(profile, createLogger({ level: 'silent' }), abort)
  yield finding
  if (chain === undefined) return false
  try {
    yield await checkClock(chain, profile, { ...abort, ...(now === undefined ? {} : { now }) })
    yield await checkBalance(chain, profile, homePaths(home), abort)
  } catch (error) {
    yield failedWith('rpc', error)
  } finally {
    await chain.close()
  }
  return true
}

async function* nodeFindings(
  { withNode, signal }: DiagnoseOptions,
  announced: readonly string[]
): AsyncGenerator<Finding> {
  const findings: Finding[] = []
  const abort = signal === undefined ? {} : { signal }
  try {
    await withNode(async (node) => {
      findings.push(await checkPeers(node, abort), await checkReachability(node, { ...abort, announced }))
    })
  } catch (error) {
    findings.push(failedWith('node', error))
  }
  yield* findings
}
