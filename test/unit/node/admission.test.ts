import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import {
  type AdmissionLimits,
  admitPeer,
  handshakeToDrop,
  type OpenConnection,
  type Source,
  sourceOf
} from '../../../src/node/network/admission.ts'

const LIMITS: AdmissionLimits = {
  maxConnections: 10,
  reserved: 3,
  perSource: 2,
  perRelay: 4,
  perPeer: 2,
  pending: 6,
  pendingPerSource: 3,
  idleMs: 1_000
}

function at(key: string, kind: Source['kind'] = 'address'): Source {
  return { key, kind }
}

function stranger(n: number, over: Partial<OpenConnection> = {}): OpenConnection {
  return { source: at(`10.0.0.${n}`), peer: `stranger ${n}`, funded: false, kept: false, idleMs: 0, ...over }
}

const strangers = (count: number, over?: Partial<OpenConnection>): OpenConnection[] =>
  Array.from({ length: count }, (_, i) => stranger(i, over))

test('sources: an address, an IPv6 /64, a relay', () => {
  const relay = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
  const cases: Array<[string, string, Source['kind']]> = [
    ['/ip4/192.0.2.7/tcp/4001', '192.0.2.7', 'address'],
    ['/ip4/127.0.0.9/tcp/4001/ws', '127.0.0.9', 'loopback'],
    ['/ip6/::1/tcp/4001', '::1', 'loopback'],
    ['/ip6/2001:db8:0:7:1::9/tcp/4001', '2001:db8:0:7::/64', 'address'],
    ['/ip6/2001:db8:0:7:ffff::1/tcp/4001', '2001:db8:0:7::/64', 'address'],
    ['/ip6/2001:db8::1/tcp/4001', '2001:db8:0:0::/64', 'address'],
    ['/ip6/::ffff:192.0.2.7/tcp/4001', '192.0.2.7', 'address'],
    ['/ip6/::ffff:7f00:1/tcp/4001', '127.0.0.1', 'loopback'],
    [`/ip4/192.0.2.7/tcp/4001/p2p/${relay}/p2p-circuit`, `relay ${relay}`, 'relay'],
    [`/ip4/192.0.2.7/tcp/4001/p2p/${relay}/p2p-circuit/p2p/${relay}`, `relay ${relay}`, 'relay'],
    ['/memory/1', 'unknown', 'address']
  ]
  for (const [address, key, kind] of cases) assert.deepEqual(sourceOf(multiaddr(address)), { key, kind }, address)
})

test('one address pushes out its own oldest handshake; when all places are taken, the most crowded one does', () => {
  const pending = ['a', 'b', 'a', 'a'].map((key, n) => ({ n, source: at(key) }))
  assert.equal(handshakeToDrop(at('a'), pending, LIMITS)?.n, 0)
  assert.equal(handshakeToDrop(at('b'), pending, LIMITS), undefined)
  const full = [...pending, { n: 4, source: at('c') }, { n: 5, source: at('c') }]
  assert.equal(handshakeToDrop(at('d'), full, LIMITS)?.n, 0)
  const local = Array.from({ length: 5 }, (_, n) => ({ n, source: at('127.0.0.1', 'loopback') }))
  assert.equal(handshakeToDrop(at('127.0.0.1', 'loopback'), local, LIMITS), undefined, 'only the whole counts there')
})

test('strangers get what is not reserved; a funded peer gets the rest, then the place of an idle stranger', () => {
  const funded = { source: at('x'), peer: 'funded', funded: true }
  const newcomer = { source: at('y'), peer: 'y', funded: false }
  assert.deepEqual(admitPeer(newcomer, strangers(6), LIMITS), { admitted: true })
  assert.equal(admitPeer(newcomer, strangers(7), LIMITS).admitted, false)
  assert.deepEqual(admitPeer(funded, strangers(7), LIMITS), { admitted: true })

  const full = [...strangers(7), ...[7, 8, 9].map((n) => stranger(n, { funded: true }))]
  const idle = full.with(4, stranger(4, { idleMs: 5 }))
  assert.deepEqual(admitPeer(funded, idle, LIMITS), { admitted: true, evict: idle[4] }, 'however short it is idle')
  assert.deepEqual(admitPeer(funded, full, LIMITS), { admitted: true, evict: full[0] }, 'before nobody: one in use')
  const kept = full.map((connection) => ({ ...connection, kept: true }))
  assert.equal(admitPeer(funded, kept, LIMITS).admitted, false, 'bootstrap nodes and relays stay')
  const allFunded = full.map((connection) => ({ ...connection, funded: true }))
  assert.equal(admitPeer(funded, allFunded, LIMITS).admitted, false)
  const resting = allFunded.map((connection, n) => ({ ...connection, idleMs: n === 4 ? LIMITS.idleMs : 999 }))
  assert.deepEqual(admitPeer(funded, resting, LIMITS), { admitted: true, evict: resting[4] }, 'dust holds no slot')
  assert.equal(admitPeer(newcomer, resting, LIMITS).admitted, false)
})

test('a stranger takes the place of one that was idle for long, from the most crowded address first', () => {
  const newcomer = { source: at('y'), peer: 'y', funded: false }
  const open = strangers(7)
    .with(2, stranger(2, { idleMs: 1_500 }))
    .with(3, stranger(3, { idleMs: 1_200, source: at('z') }))
  assert.deepEqual(admitPeer(newcomer, open, LIMITS), { admitted: true, evict: open[2] })
  const crowded = open.with(5, stranger(5, { source: at('z') }))
  assert.deepEqual(admitPeer(newcomer, crowded, LIMITS), { admitted: true, evict: crowded[3] })
  assert.equal(admitPeer(newcomer, strangers(7, { idleMs: 999 }), LIMITS).admitted, false)
})

test('an address has its share, a relay a larger one, loopback none; funded peers do not count', () => {
  const from = (source: Source, count: number, over: Partial<OpenConnection> = {}): OpenConnection[] =>
    Array.from({ length: count }, (_, i) => stranger(i, { source, ...over }))
  const one = (source: Source) => ({ source, peer: 'one', funded: false })
  assert.equal(admitPeer(one(at('a')), from(at('a'), 2), LIMITS).admitted, false)
  assert.equal(admitPeer(one(at('a')), from(at('a'), 2, { funded: true }), LIMITS).admitted, true)
  assert.equal(admitPeer({ ...one(at('a')), funded: true }, from(at('a'), 2), LIMITS).admitted, true)
  const idle = from(at('a'), 2, { idleMs: 2_000 })
  assert.deepEqual(admitPeer(one(at('a')), idle, LIMITS), { admitted: true, evict: idle[0] })
  const relay = at('relay r', 'relay')
  assert.equal(admitPeer(one(relay), from(relay, 3), LIMITS).admitted, true)
  assert.equal(admitPeer(one(relay), from(relay, 4), LIMITS).admitted, false)
  const local = at('127.0.0.1', 'loopback')
  assert.equal(admitPeer(one(local), from(local, 6), LIMITS).admitted, true)
})

test('a peer that dials again replaces its own connection, even when nothing is free', () => {
  const open = [
    ...strangers(8),
    stranger(8, { peer: 'p', funded: true }),
    stranger(9, { peer: 'p', funded: true, idleMs: 3 })
  ]
  assert.deepEqual(admitPeer({ source: at('q'), peer: 'p', funded: false }, open, LIMITS), {
    admitted: true,
    evict: open[9]
  })
})

test('whatever comes: never more than the maximum, strangers never in reserved slots, no funded peer for a stranger', () => {
  const arrival = fc.record({
    source: fc.integer({ min: 0, max: 5 }),
    peer: fc.integer({ min: 0, max: 30 }),
    idleMs: fc.constantFrom(0, 1, 2_000)
  })
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 200 }), (arrivals) => {
      let open: OpenConnection[] = []
      for (const { source, peer, idleMs } of arrivals) {
        const newcomer = { source: at(`${source}`), peer: `${peer}`, funded: peer % 3 === 0 }
        const verdict = admitPeer(newcomer, open, LIMITS)
        if (!verdict.admitted) {
          assert.ok(
            !newcomer.funded || open.every(({ funded }) => funded),
            'a funded peer is refused only among its kind'
          )
          continue
        }
        const { evict } = verdict
        const givesWay = (one: OpenConnection): boolean => newcomer.funded && one.idleMs >= LIMITS.idleMs
        if (evict?.funded === true) assert.ok(evict.peer === newcomer.peer || givesWay(evict))
        open = [...open.filter((connection) => connection !== evict), { ...newcomer, kept: false, idleMs }]
        assert.ok(open.length <= LIMITS.maxConnections)
        assert.ok(open.filter(({ funded }) => !funded).length <= LIMITS.maxConnections - LIMITS.reserved)
      }
    })
  )
})
