import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { parseProfile } from '../chain/index.ts'
import { type Address, DdmError, type NetworkProfile } from '../interface/index.ts'
import { changeBudgetOf, checkedBudget } from './change-budget.ts'
import { flagOf, readConfigFile } from './config.ts'
import { createHome, type HomePaths, homePaths, lockHome, readNetworkFile, writeNetworkFile } from './home.ts'
import { loadKeys, passphraseFrom } from './keys.ts'
import { loadProfile } from './settings.ts'
import type { BudgetChange, NodeInit } from './types.ts'

export interface InitHomeInit extends NodeInit {
  /** Caps that go into `config.json`. */
  budget?: BudgetChange
}

/** What a home has now. */
export interface InitializedHome {
  home: string
  peerId: string
  account: Address
  network: string
  /** Whether the home belonged to a network before. */
  joined: boolean
  /** Key files that are not encrypted. */
  unencrypted: string[]
}

/**
 * Makes a home ready: network, keys, caps. What is there already stays as it is; what contradicts it is refused. Nothing is
 * made when the profile or a cap is wrong.
 *
 * @example
 * ```ts
 * const { peerId, account } = await initHome({ home, network: 'network.json', passphrase })
 * ```
 *
 * @throws DdmError `config`, `keyLocked`, `homeBusy`, `usage`
 */
export async function initHome(init: InitHomeInit): Promise<InitializedHome> {
  const { budget } = init
  if (budget !== undefined) checkedBudget(budget, flagOf)
  const known = await joinedProfile(homePaths(init.home))
  const named = known === undefined || init.network !== undefined ? await profileOf(init) : undefined
  const profile = known ?? (named as NetworkProfile)
  if (named !== undefined && networkOf(named) !== networkOf(profile)) {
    throw new DdmError(
      'usage',
      `the home ${init.home} belongs to "${profile.name}" (chain ${profile.chain.id}, genesis ${profile.chain.genesisHash}), ` +
        `not to "${named.name}" (chain ${named.chain.id}, genesis ${named.chain.genesisHash}); use another --home`
    )
  }
  const paths = await createHome(init.home)
  const lock = await lockHome(paths)
  try {
    const before = await readConfigFile(paths.config)
    const cap = budget?.perDay === undefined ? undefined : before.budgetPerDay
    if (cap !== undefined && cap !== budget?.perDay) {
      throw new DdmError(
        'usage',
        `the budget of this home is ${JSON.stringify(cap)} a day; "ddm budget set" changes it`
      )
    }
    const keys = await loadKeys(paths, {
      create: true,
      insecureDevKeys: init.insecureDevKeys ?? false,
      passphrase: init.passphrase ?? passphraseFrom(),
      iota: profile.iota !== undefined
    })
    if (known === undefined) await writeNetworkFile(paths, profile)
    if (budget !== undefined && cap === undefined) await changeBudgetOf(paths.root, budget)
    return {
      home: paths.root,
      peerId: peerIdFromPrivateKey(keys.identity).toString(),
      account: keys.wallet.address,
      network: profile.name,
      joined: known !== undefined,
      unencrypted: keys.unencrypted
    }
  } finally {
    await lock.release()
  }
}

async function joinedProfile(paths: HomePaths): Promise<NetworkProfile | undefined> {
  const known = await readNetworkFile(paths)
  return known === undefined ? undefined : parseProfile(known)
}

function profileOf({ home, network }: InitHomeInit): Promise<NetworkProfile> {
  return loadProfile(network, homePaths(home))
}

function networkOf({ chain, contracts }: NetworkProfile): string {
  return `${chain.id} ${chain.genesisHash} ${contracts.escrow}`
}
