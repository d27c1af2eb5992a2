import { createHash } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import {
  type Address,
  DdmError,
  type Hex,
  type Payee,
  type PayeeSession,
  type Payer,
  type PayerSession,
  type ProductLog,
  type SessionStore,
  type VoucherPayload
} from '../../src/interface/index.ts'
import { Deframer } from '../../src/protocols/sdpp/frame.ts'
import { decodeMessage, encodePlain } from '../../src/protocols/sdpp/messages.ts'
import type { WireStream } from '../../src/protocols/sdpp/wire.ts'
import { transcriptStart } from '../../src/statements/index.ts'
import type { Scenario } from './scenario.ts'
import type { World } from './world.ts'

/** Cheats: production objects with one part that lies. */

const never = <T>(): Promise<T> => new Promise(() => {})

/** A channel whose deposit the buyer can take back by itself. */
export interface OwnRefunds {
  authorizer: Address
  refund: (channelId: Hex | undefined) => void
}

/** An object that is another one, but for some members. */
function but<T extends object>(original: T, changes: Partial<T>): T {
  return new Proxy(original, {
    get(target, key) {
      if (Object.hasOwn(changes, key)) return changes[key as keyof T]
      const value = Reflect.get(target, key, target) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
}

/** Lies of a payer in the middle of a session. */
const OF_PAYMENTS: readonly Scenario['adversary'][] = ['stopPaying', 'manyPeers', 'forgeVoucher']

export function corruptPayer(
  payer: Payer,
  { adversary }: Scenario,
  world: World,
  { authorizer, refund }: OwnRefunds
): Payer {
  const corrupt = (session: PayerSession): PayerSession => {
    let payments = 0
    let first: VoucherPayload | undefined
    const honestFor = world.random.int(0, 3)
    return but(session, {
      pay: async (sessionPaid, options) => {
        payments++
        if (payments > honestFor) {
          const lies = adversary === 'replayVoucher' ? first !== undefined : OF_PAYMENTS.includes(adversary)
          if (lies) world.cheated()
          if (adversary === 'stopPaying' || adversary === 'manyPeers') return never()
          if (adversary === 'replayVoucher' && first !== undefined) return first
          if (adversary === 'forgeVoucher' && first !== undefined && world.random.chance(0.5)) {
            return { ...first, maxClaimableAmount: first.maxClaimableAmount + 1_000n }
          }
          if (adversary === 'forgeVoucher') {
            const payload = (await session.pay(sessionPaid, options)) as VoucherPayload
            return { ...payload, maxClaimableAmount: payload.maxClaimableAmount + 1_000n }
          }
        }
        const payload = (await session.pay(sessionPaid, options)) as VoucherPayload | undefined
        first ??= payload
        if (adversary === 'ownRefunds') refund(payload?.channelId)
        return payload
      }
    })
  }
  return but(payer, {
    open: async (request, options) => {
      if (adversary !== 'ownRefunds') return corrupt(await payer.open(request, options))
      world.cheated()
      const terms = { ...request.terms, receiverAuthorizer: authorizer }
      return corrupt(await payer.open({ ...request, terms }, options))
    },
    resume: async (request, options) => corrupt(await payer.resume(request, options))
  })
}

/** Where a lying buyer says that it stands. */
export function corruptSessions(sessions: SessionStore, { adversary }: Scenario, world: World): SessionStore {
  if (adversary !== 'wrongRootInResume' && adversary !== 'lieInResume' && adversary !== 'takeBack') return sessions
  return but(sessions, {
    get: async (id, role) => {
      const record = await sessions.get(id, role)
      if (record === undefined) return undefined
      world.cheated()
      if (adversary === 'wrongRootInResume') {
        return { ...record, checkpoint: { ...record.checkpoint, root: world.random.bytes(32) } }
      }
      const root = transcriptStart(CID.parse(id).bytes)
      return { ...record, position: 0n, checkpoint: { position: 0n, root, records: 0n, bytes: 0n } }
    }
  })
}

/** Tries, one after the other: one of them comes while the seller still works on the order. */
const RESUMES = 8

/** Resumes, over further streams, what it has just ordered over this one. */
export function corruptDial(
  dial: () => Promise<WireStream>,
  { adversary }: Scenario,
  world: World
): () => Promise<WireStream> {
  if (adversary !== 'resumeWhileOrdering') return dial
  const resume = async (session: CID): Promise<void> => {
    world.cheated()
    for (let tries = 0; tries < RESUMES; tries++) {
      const root = transcriptStart(session.bytes)
      const frame = encodePlain('RESUME', { session, position: 0n, root, paid: 0n })
      await dial().then(
        (stream) => stream.send(frame),
        () => {}
      )
    }
  }
  return async () => {
    const stream = await dial()
    const frames = new Deframer((kind, body) => {
      const message = decodeMessage(kind, body.slice())
      if (message.name === 'ORDER') void resume(message.statement.link)
    })
    return but(stream, {
      send: (data) => {
        const sent = stream.send(data)
        frames.push(data instanceof Uint8Array ? data : data.subarray())
        return sent
      }
    })
  }
}

export function corruptPayee(payee: Payee, { adversary }: Scenario, world: World): Payee {
  if (adversary === 'forgetPayments') {
    const corrupt = (session: PayeeSession): PayeeSession => {
      if (session.credited > 0n) world.cheated()
      return but(session, { credited: 0n })
    }
    return but(payee, { resume: async (request, options) => corrupt(await payee.resume(request, options)) })
  }
  if (adversary === 'keepAdvance') {
    // Is gone with the first payment, which counts as consumed, and takes nothing up again.
    const corrupt = (session: PayeeSession): PayeeSession =>
      but(session, {
        credit: async (sessionPaid, payload, options) => {
          await session.credit(sessionPaid, payload, options)
          await session.end(sessionPaid, sessionPaid, options)
          world.cheated()
          throw new Error('gone')
        }
      })
    return but(payee, {
      accept: async (request, options) => corrupt(await payee.accept(request, options)),
      resume: async () => {
        if (world.random.chance(0.5)) throw new DdmError('notFound', 'never heard of it')
        throw new Error('gone')
      }
    })
  }
  if (adversary === 'swallowUnused') {
    // What was paid in advance and not used counts as consumed.
    const corrupt = (session: PayeeSession): PayeeSession => {
      const { base = 0n, proof } = session
      const highest = proof?.maxClaimableAmount ?? 0n
      if (highest > base) world.cheated()
      return but(session, { base: highest > base ? highest : base })
    }
    return but(payee, { accept: async (request, options) => corrupt(await payee.accept(request, options)) })
  }
  return payee
}

export function corruptLog(log: ProductLog, { adversary }: Scenario, world: World): ProductLog {
  const after = BigInt(world.random.int(0, 10))
  if (adversary === 'stopDelivering') {
    return but(log, {
      read: (offset, options) => {
        if (offset < after) return log.read(offset, options)
        world.cheated()
        return never()
      }
    })
  }
  if (adversary === 'wrongRoot' || adversary === 'equivocate') {
    // Who equivocates tells another story after each restart: with roots of its own, or such that are of no story.
    const lie = adversary === 'wrongRoot' || world.now > 0
    const salt = world.random.int(1, 255)
    const isConsistent = world.random.chance(0.5)
    return but(log, {
      read: async (offset, options) => {
        const block = await log.read(offset, options)
        if (block === undefined || !lie || offset < after) return block
        world.cheated()
        if (adversary === 'wrongRoot') return { ...block, digest: new Uint8Array(32) }
        const bytes = block.bytes.slice()
        bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ salt
        const digest = isConsistent ? createHash('sha256').update(bytes).digest() : world.random.bytes(32)
        return { ...block, bytes, digest }
      }
    })
  }
  return log
}

/** Sends a frame twice. */
export function corruptStream(stream: Stream, { adversary }: Scenario, world: World): Stream {
  if (adversary !== 'replayFrames') return stream
  return but(stream, {
    send: (data) => {
      const sent = stream.send(data)
      if (!world.random.chance(0.1)) return sent
      world.cheated()
      stream.send(data)
      return sent
    }
  })
}
