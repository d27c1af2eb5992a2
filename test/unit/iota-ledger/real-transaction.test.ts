import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromBase64, toHex } from '@iota/bcs'
import { bcs } from '@iota/iota-sdk/bcs'
import { COIN_DEPOSIT, coinDigest, createBlake, type LedgerCoin } from '../../../src/iota-ledger/coin.ts'
import { effectsBytes, effectsDigest } from '../../../src/iota-ledger/effects.ts'
import { execute } from '../../../src/iota-ledger/execute.ts'
import { checkTransaction } from '../../../src/iota-ledger/transaction.ts'

/**
 * A transaction that a node of an IOTA network carried out, from the fixtures of the public repository iotaledger/notarization
 * (poi-rs, 2026-07): the ledger makes the same IDs, digests and gas of it.
 */
const SENDER = '0x4341880802a84b5cab9a3a16754c52cc1ed8656b343a0a8dda0ce775da27bbe7'
const GAS_COIN = '0x1f8ef3d2929482a43abc43c3693a695e247d55fd865636719bd428a606d3366c'
const RECIPIENT = 'mY0mkbKsOUO9bNh5FeqbV7rBk8XcB1fyWn0rQSfIe/o='
/** Contents of the gas coin afterwards: ID and balance. */
const GAS_COIN_AFTER = 'H47z0pKUgqQ6vEPDaTppXiR9Vf2GVjZxm9QopgbTNmxf0hVP15RqAA=='

const DATA = {
  V1: {
    kind: {
      ProgrammableTransaction: {
        inputs: [{ Pure: { bytes: RECIPIENT } }, { Pure: { bytes: 'AQAAAAAAAAA=' } }],
        commands: [
          { SplitCoins: { coin: { GasCoin: true as const }, amounts: [{ Input: 1 }] } },
          { TransferObjects: { objects: [{ Result: 0 }], address: { Input: 0 } } }
        ]
      }
    },
    sender: SENDER,
    gasData: {
      payment: [{ objectId: GAS_COIN, version: '1', digest: '4VSj48G4aoTSAYwavNA2Y79gCLQ9uHFh5yQYEbppze7h' }],
      owner: SENDER,
      price: '1000',
      budget: '10000000'
    },
    expiration: { None: true as const }
  }
}

test('a transaction of a real node has the same digests, IDs and gas here', async () => {
  const blake = await createBlake()
  const after = BigInt(bcs.u64().parse(fromBase64(GAS_COIN_AFTER).slice(32)))
  const coin: LedgerCoin = {
    id: GAS_COIN,
    owner: SENDER,
    balance: after + 1n + 1_000_000n + 2n * COIN_DEPOSIT,
    version: 1n,
    previous: '54ohH6BW2vfMLD6r63KKuZhcgrMq2ty4XU9JHD7D2HAW',
    rebate: 0n
  }
  assert.equal(coinDigest(blake, coin), '4VSj48G4aoTSAYwavNA2Y79gCLQ9uHFh5yQYEbppze7h')
  const digestOf = (one: LedgerCoin): string => coinDigest(blake, one)
  const bytes = bcs.TransactionData.serialize(DATA as never).toBytes()
  const transaction = checkTransaction(bytes, { coin: () => coin, digestOf }, { epoch: 0n })
  assert.equal(transaction.digest, 'W5a5vsCEVHTj5woXy1MymQYpe4UFzwEoor8k8PASDeq')
  const outcome = execute(blake, transaction)
  const { failure, gas, created, gasCoin } = outcome
  assert.equal(failure, undefined)
  assert.deepEqual(gas, { computationCost: 1_000_000n, storageCost: 1_960_800n, storageRebate: 0n })
  const [made] = created as [LedgerCoin]
  assert.equal(made.id, '0xbf840e88aa464d25b4fb3164eacbf487a9c7391838b5f684a4a3a2a69c6fbdbf')
  assert.equal(made.owner, `0x${toHex(fromBase64(RECIPIENT))}`)
  assert.equal(coinDigest(blake, made), 'EdZxTKeh9pRZqSV7mACnTgBzmnj3hz9pwgdRfL7ofV1e')
  assert.equal(coinDigest(blake, gasCoin), 'GhdZ7GvETWWMYR5G8XmmWwZ6Ta3GEsNBX4ajzazfAPC1')
  assert.deepEqual([gasCoin.version, gasCoin.balance], [2n, after])
  const effects = effectsBytes({ outcome, digest: transaction.digest, epoch: 0n, digestOf })
  assert.equal(effectsDigest(blake, effects), '4xbK8Ebw8yq5VMd4ztJbk1eb5AFyKvUtSoRGHRZ9jnCD')
})
