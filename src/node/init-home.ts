import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Address, NetworkProfile } from '../interface/index.ts'
import { changeBudgetOf } from './change-budget.ts'
import { createHome, lockHome, readNetworkFile, writeNetworkFile } from './home.ts'
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
 * Makes a home ready: network, keys, caps. What is there already stays as it is.
 *
 * @example
 * ```ts
 * const { peerId, account } = await initHome({ home, network: 'network.json', passphrase })
 * ```
 *
 * @throws DdmError `config`, `keyLocked`, `homeBusy`, `usage`
 */
export async function initHome(init: InitHomeInit): Promise<InitializedHome> {
  const paths = await createHome(init.home)
  const lock = await lockHome(paths)
  try {
    const known = await readNetworkFile(paths)
    const profile: NetworkProfile = await loadProfile(known === undefined ? init.network : undefined, paths)
    const keys = await loadKeys(paths, {
      create: true,
      insecureDevKeys: init.insecureDevKeys ?? false,
      passphrase: init.passphrase ?? passphraseFrom(),
      iota: profile.iota !== undefined
    })
    if (known === undefined) await writeNetworkFile(paths, profile)
    if (init.budget !== undefined) await changeBudgetOf(paths.root, init.budget)
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
