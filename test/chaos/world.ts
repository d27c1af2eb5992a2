import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address, FaultPoint, Listing } from '../../src/interface/index.ts'
import type { Random } from '../simulation/random.ts'
import type { Wish } from './buyer-peer.ts'
import type { ChainView } from './chain-view.ts'
import type { Arm } from './child.ts'
import { readLedger } from './ledger.ts'
import { Oracles } from './oracles.ts'
import { type Exit, Gone, Peer } from './peer.ts'
import { type Coverage, isClaim, type Kill, type Role } from './points.ts'
import type { CuttingProxy } from './proxy.ts'

export interface WorldInit {
  index: number
  folder: string
  network: string
  /** File with the product, and its records as lines. */
  product: { file: string; lines: readonly string[] }
  /** Where the seller listens, behind the proxy. */
  port: number
  proxy: CuttingProxy
  random: Random
  coverage: Coverage
  chain: ChainView
  environment: NodeJS.ProcessEnv
  /** What must not be. */
  violated: (what: string) => void
  note: (what: string) => void
}

/** Atomic units of a record. */
const PRICE = 100n
const PRICE_TEXT = '0.0001/record'
const ROUND_MS = 90_000
const RESTARTS = 40
/** How likely it is that what dies at a point takes the other side with it, and that somebody dies at no point. */
const BOTH = 0.1
const ANYWHERE = 0.2

/** One seller and one buyer, their homes, and everything that happens to them. */
export class World {
  readonly #init: WorldInit
  readonly #oracles: Oracles
  readonly #peers = new Map<Role, Promise<Peer>>()
  readonly #live = new Map<Role, Peer>()
  readonly #keepers = new Map<Role, Promise<void>>()
  /** What each process is armed with, also when it starts. */
  readonly #armed = new Map<Role, Arm>()
  #plan: Kill[] = []
  #round = 0
  #listing: Listing | undefined
  #sellerId = ''
  #accounts: { seller?: Address; buyer?: Address } = {}
  #ending = false
  #deaths = new Map<Role, number>()
  /** Died by somebody else's hand: the parent's. */
  readonly #condemned = new Set<Peer>()
  killed = 0
  claimKilled = false
  broken = false

  constructor(init: WorldInit) {
    this.#init = init
    this.#oracles = new Oracles({ price: PRICE, chain: init.chain, violated: (what) => this.#violated(what) })
  }
}
