import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { bcs } from '@iota/iota-sdk/bcs'
import { Transaction, type TransactionArgument } from '@iota/iota-sdk/transactions'
import fc from 'fast-check'
import { type Blake, COIN_DEPOSIT, coinDigest, createBlake, type LedgerCoin } from '../../../src/iota-ledger/coin.ts'
import { execute, type Outcome } from '../../../src/iota-ledger/execute.ts'
import { failureText } from '../../../src/iota-ledger/failure.ts'
import { checkTransaction } from '../../../src/iota-ledger/transaction.ts'

const OWNER = `0x${'aa'.repeat(32)}`
const OTHER = `0x${'bb'.repeat(32)}`
const GENESIS = '11111111111111111111111111111111'
const ONE_IOTA = 1_000_000_000n

let blake: Blake
before(async () => {
  blake = await createBlake()
})

const idOf = (number: number): string => `0x${`${number + 10}`.padStart(64, '0')}`
const coinOf = (number: number, balance: bigint, more: Partial<LedgerCoin> = {}): LedgerCoin => {
  return { id: idOf(number), owner: OWNER, balance, version: 1n, previous: GENESIS, rebate: COIN_DEPOSIT, ...more }
}

interface Given {
  coins?: LedgerCoin[]
  gasCoins?: number
  price?: bigint
  budget?: bigint
}

/** Carries out a transaction of the first coins, which pay the gas. */
async function run(make: (transaction: Transaction) => void, given: Given = {}): Promise<Outcome> {
  const { coins = [coinOf(0, ONE_IOTA)], gasCoins = 1, price = 1_000n, budget = 10_000_000n } = given
  const transaction = new Transaction()
  transaction.setSender(OWNER)
  transaction.setGasPrice(price)
  transaction.setGasBudget(budget)
  transaction.setGasPayment(coins.slice(0, gasCoins).map(reference))
  make(transaction)
  const byId = new Map(coins.map((coin) => [coin.id, coin]))
  const lookup = { coin: (id: string) => byId.get(id), digestOf: (coin: LedgerCoin) => coinDigest(blake, coin) }
  return execute(blake, checkTransaction(await transaction.build(), lookup, { epoch: 0n }))
}

const reference = (coin: LedgerCoin) => ({
  objectId: coin.id,
  version: `${coin.version}`,
  digest: coinDigest(blake, coin)
})
const owned = (transaction: Transaction, coin: LedgerCoin) => transaction.objectRef(reference(coin))
const totalOf = (coins: readonly LedgerCoin[]): bigint =>
  coins.reduce((sum, { balance, rebate }) => sum + balance + rebate, 0n)
const failureOf = ({ failure }: Outcome): string => (failure === undefined ? 'none' : failureText(failure))

describe('a program that fails, as a node names the failure', () => {
  const cases: Record<string, [make: (transaction: Transaction) => void, failure: string]> = {
    'a coin is sent twice': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.transferObjects([coin], OTHER)
        transaction.transferObjects([coin], OWNER)
      },
      'CommandArgumentError { arg_idx: 0, kind: InvalidValueUsage } in command 2'
    ],
    'a coin is split after it was sent': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.transferObjects([coin], OTHER)
        transaction.splitCoins(coin, [1n])
      },
      'CommandArgumentError { arg_idx: 0, kind: InvalidValueUsage } in command 2'
    ],
    'a coin is merged into itself': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.mergeCoins(coin, [coin])
      },
      'CommandArgumentError { arg_idx: 1, kind: InvalidValueUsage } in command 1'
    ],
    'the gas coin is merged away': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.mergeCoins(coin, [transaction.gas])
      },
      'CommandArgumentError { arg_idx: 1, kind: InvalidGasCoinUsage } in command 1'
    ],
    'several results are used as one': [
      (transaction) => {
        transaction.splitCoins(transaction.gas, [5n, 6n])
        transaction.transferObjects([{ Result: 0 } as never], OTHER)
      },
      'CommandArgumentError { arg_idx: 0, kind: InvalidResultArity { result_idx: 0 } } in command 1'
    ],
    'a result that is not there': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.transferObjects([coin, { NestedResult: [0, 4] } as never], OTHER)
      },
      'CommandArgumentError { arg_idx: 1, kind: SecondaryIndexOutOfBounds { result_idx: 0, secondary_idx: 4 } } in command 1'
    ],
    'a command that is not there': [
      (transaction) => transaction.transferObjects([{ Result: 9 } as never], OTHER),
      'CommandArgumentError { arg_idx: 0, kind: IndexOutOfBounds { idx: 9 } } in command 0'
    ],
    'an amount of one byte': [
      (transaction) => transaction.splitCoins(transaction.gas, [transaction.pure(Uint8Array.of(1))]),
      'CommandArgumentError { arg_idx: 1, kind: InvalidBCSBytes } in command 0'
    ],
    'an address of two bytes': [
      (transaction) => transaction.transferObjects([transaction.gas], transaction.pure(Uint8Array.of(1, 2))),
      'CommandArgumentError { arg_idx: 1, kind: InvalidBCSBytes } in command 0'
    ],
    'a coin where an amount is expected': [
      (transaction) => {
        const coin = transaction.splitCoins(transaction.gas, [5n])
        transaction.splitCoins(transaction.gas, [coin as unknown as TransactionArgument])
      },
      'CommandArgumentError { arg_idx: 1, kind: TypeMismatch } in command 1'
    ],
    'a memo whose bytes are none of its type': [
      (transaction) => {
        const bytes = transaction.pure(Uint8Array.of(3, 1))
        transaction.makeMoveVec({ type: 'vector<u8>', elements: [bytes] })
      },
      'CommandArgumentError { arg_idx: 0, kind: InvalidBCSBytes } in command 0'
    ],
    'a vector of coins that nobody gets': [
      (transaction) => {
        const [coin] = transaction.splitCoins(transaction.gas, [5n])
        transaction.makeMoveVec({ elements: [coin] })
      },
      'UnusedValueWithoutDrop { result_idx: 1, secondary_idx: 0 }'
    ],
    'new coins that nobody gets': [
      (transaction) => {
        const [coin] = transaction.splitCoins(transaction.gas, [5n, 6n])
        transaction.transferObjects([coin], OTHER)
      },
      'UnusedValueWithoutDrop { result_idx: 0, secondary_idx: 1 }'
    ],
    'more than there is beside the budget': [
      (transaction) => transaction.transferObjects([transaction.splitCoins(transaction.gas, [ONE_IOTA])], OTHER),
      'InsufficientCoinBalance in command 0'
    ]
  }
  for (const [name, [make, failure]] of Object.entries(cases)) {
    test(name, async () => {
      const outcome = await run(make)
      assert.equal(failureOf(outcome), failure)
      assert.deepEqual(outcome.created, [])
      assert.equal(outcome.gasCoin.balance, ONE_IOTA - 1_000_000n)
      assert.equal(outcome.gasCoin.version, 2n)
    })
  }
})

describe('gas', () => {
  const pay = (transaction: Transaction) =>
    transaction.transferObjects([transaction.splitCoins(transaction.gas, [5n])], OTHER)

  test('a budget that computation uses up is charged in full', async () => {
    const outcome = await run(pay, { budget: 1_000_000n })
    assert.equal(failureOf(outcome), 'InsufficientGas')
    assert.equal(outcome.gas.computationCost, 1_000_000n)
  })

  test('a budget that does not cover the deposit of a new coin', async () => {
    const outcome = await run(pay, { budget: 1_000_000n + COIN_DEPOSIT - 1n })
    assert.equal(failureOf(outcome), 'InsufficientGas')
    assert.equal(outcome.gasCoin.balance, ONE_IOTA - 1_000_000n)
    assert.equal(failureOf(await run(pay, { budget: 1_000_000n + COIN_DEPOSIT })), 'none')
  })

  test('a coin without a deposit that cannot pay one loses the budget and no more', async () => {
    const coins = [coinOf(0, 1_500_000n, { rebate: 0n })]
    const { gas, gasCoin } = await run(pay, { coins, budget: 1_500_000n })
    assert.deepEqual(gas, { computationCost: 1_500_000n, storageCost: 0n, storageRebate: 0n })
    assert.deepEqual([gasCoin.balance, gasCoin.rebate], [0n, 0n])
  })

  test('several gas coins become one and give their deposits back; the gas coin may be sent away whole', async () => {
    const coins = [coinOf(0, ONE_IOTA), coinOf(1, ONE_IOTA), coinOf(2, ONE_IOTA)]
    const send = (transaction: Transaction) => transaction.transferObjects([transaction.gas], OTHER)
    const { gasCoin, deleted } = await run(send, { coins, gasCoins: 3 })
    assert.deepEqual([gasCoin.owner, gasCoin.balance], [OTHER, 3n * ONE_IOTA - 1_000_000n + 2n * COIN_DEPOSIT])
    assert.deepEqual(deleted, [idOf(1), idOf(2)])
  })

  test('prices and budgets out of range are refused', async () => {
    await assert.rejects(run(pay, { price: 999n }), /Gas price 999 under reference gas price \(RGP\) 1000/)
    await assert.rejects(run(pay, { price: 10n ** 12n }), /Gas price cannot exceed 100000 nanos/)
    await assert.rejects(run(pay, { price: 2_000n, budget: 1_999_999n }), /lower than min: 2000000/)
    await assert.rejects(run(pay, { budget: 2n * ONE_IOTA }), /Balance of gas object 1000000000 is lower/)
  })
})

test('what validators do not take: sizes, the same coin twice, bytes after the end', async () => {
  const amounts = Array.from({ length: 512 }, () => 1n)
  await assert.rejects(
    run((transaction) => transaction.splitCoins(transaction.gas, amounts)),
    /maximum arguments in a programmable transaction command is 512/
  )
  const memo = new Uint8Array(16 * 1024)
  await assert.rejects(
    run((transaction) => transaction.makeMoveVec({ type: 'vector<u8>', elements: [transaction.pure(memo)] })),
    /maximum pure argument size is 16384/
  )
  await assert.rejects(
    run((transaction) => transaction.transferObjects([], OTHER)),
    /cannot have empty arguments/
  )
  await assert.rejects(
    run((transaction) => transaction.transferObjects([owned(transaction, coinOf(0, ONE_IOTA))], OTHER)),
    /cannot appear more than one in one transaction/
  )
  const bytes = bcs.TransactionData.serialize({
    V1: {
      kind: { ProgrammableTransaction: { inputs: [], commands: [] } },
      sender: OWNER,
      gasData: { payment: [reference(coinOf(0, ONE_IOTA))], owner: OWNER, price: 1_000, budget: 10_000_000 },
      expiration: { None: true }
    }
  } as never).toBytes()
  const lookup = { coin: () => coinOf(0, ONE_IOTA), digestOf: (coin: LedgerCoin) => coinDigest(blake, coin) }
  checkTransaction(bytes, lookup, { epoch: 0n })
  assert.throws(() => checkTransaction(Uint8Array.of(...bytes, 0), lookup, { epoch: 0n }), /remaining input/)
})

test('whatever a program does, money is conserved, no balance is negative, and a failure costs its gas alone', async () => {
  const amount = fc.bigInt(0n, 2n * ONE_IOTA)
  const pick = fc.nat(20)
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('split' as const),
      of: pick,
      amounts: fc.array(amount, { minLength: 1, maxLength: 3 })
    }),
    fc.record({ kind: fc.constant('merge' as const), of: pick, from: fc.array(pick, { minLength: 1, maxLength: 3 }) }),
    fc.record({ kind: fc.constant('send' as const), of: pick, isOwn: fc.boolean() }),
    fc.record({ kind: fc.constant('memo' as const), of: pick })
  )
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 6 }),
      fc.array(amount, { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 1, max: 2 }),
      fc.bigInt(1_000_000n, 20_000_000n),
      fc.boolean(),
      async (steps, balances, gasCoins, budget, sendsRest) => {
        const coins = balances.map((balance, index) => coinOf(index, index === 0 ? balance + budget : balance))
        const outcome = await run(
          (transaction) => {
            const rest = coins.slice(gasCoins).map((coin) => owned(transaction, coin))
            const known: TransactionArgument[] = [transaction.gas, ...rest]
            const made: TransactionArgument[] = []
            const at = (index: number) => known[index % known.length] as TransactionArgument
            for (const one of steps) {
              if (one.kind === 'split') {
                const parts = transaction.splitCoins(at(one.of), one.amounts)
                for (const index of one.amounts.keys()) {
                  known.push(parts[index] as TransactionArgument)
                  made.push(parts[index] as TransactionArgument)
                }
              }
              if (one.kind === 'merge') transaction.mergeCoins(at(one.of), one.from.map(at))
              if (one.kind === 'send') transaction.transferObjects([at(one.of)], one.isOwn ? OWNER : OTHER)
              if (one.kind === 'memo') {
                const bytes = transaction.pure.vector('u8', [one.of])
                transaction.makeMoveVec({ type: 'vector<u8>', elements: [bytes] })
              }
            }
            if (sendsRest) for (const coin of made) transaction.transferObjects([coin], OTHER)
          },
          { coins, gasCoins, budget }
        )
        const after = [...outcome.mutated, ...outcome.created]
        seen.add(failureOf(outcome).replace(/\d+/g, 'n'))
        assert.equal(totalOf(after) + outcome.gas.computationCost, totalOf(outcome.before))
        assert.ok(after.every(({ balance }) => balance >= 0n))
        assert.equal(new Set(after.map(({ id }) => id)).size, after.length)
        if (outcome.failure === undefined) return
        assert.ok(after.every(({ owner }) => owner === OWNER) && outcome.created.length === 0)
        assert.ok(outcome.gas.computationCost <= budget)
      }
    ),
    { numRuns: 300 }
  )
  assert.ok(seen.has('none') && seen.size > 4, `the programs reach ${[...seen].join('; ')}`)
})
