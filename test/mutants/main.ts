import { parseArgs } from 'node:util'
import { MUTATION_CLASSES, MUTATIONS, type Mutation } from './mutations.ts'
import { sampleOf } from './sample.ts'
import { Tree } from './tree.ts'
import { simulate, test, type Verdict } from './trial.ts'

/**
 * npm run mutants [-- --sample N] [--only TEXT]… [--workers N]
 *
 * Plants one bug after the other in a copy of the project and looks who notices: the tests, and else the simulator. Ends
 * with one line of JSON; exits with 1 when a bug went unnoticed, or when of all bugs the simulator alone notices too few. A
 * sample is another one each day, and asks the tests of the bug's own room only.
 */

const ALL_TESTS = ['test/unit', 'test/compliance']
const DAY_MS = 86_400_000
/** Bugs that no test notices, and the simulator must: with fewer it would prove nothing that the tests do not. */
const LEAST_BY_SIMULATOR = 8

const { values } = parseArgs({
  options: {
    sample: { type: 'string' },
    only: { type: 'string', multiple: true },
    workers: { type: 'string', default: '2' }
  }
})

interface Found {
  mutation: Mutation
  bySimulator?: Verdict
  byTests?: Verdict
}

function chosen(): readonly Mutation[] {
  const { sample, only } = values
  if (only !== undefined) {
    return MUTATIONS.filter(({ name, class: group }) => only.some((text) => `${group} ${name}`.includes(text)))
  }
  if (sample === undefined) return MUTATIONS
  const count = Math.min(Number(sample), MUTATIONS.length)
  const day = Math.floor(Date.now() / DAY_MS)
  return sampleOf(count, MUTATIONS.length, day).map((place) => MUTATIONS[place] as Mutation)
}

/** Tests of the room that the bug is in. */
function testsNear({ file }: Mutation): string[] {
  if (file.startsWith('src/payments')) return ['test/unit/payments', 'test/compliance/payments']
  if (file.startsWith('src/evidence')) return ['test/unit/evidence']
  if (file.startsWith('src/protocols')) return ['test/unit/sdpp']
  return ['test/unit/sdpp', 'test/unit/statements', 'test/unit/interface']
}

async function look(tree: Tree, mutation: Mutation): Promise<Found> {
  const mend = tree.plant(mutation)
  try {
    const near = await test(tree, testsNear(mutation))
    const byTests = near ?? (values.sample === undefined ? await test(tree, ALL_TESTS) : undefined)
    if (byTests !== undefined || mutation.class === 'evidence verification') return { mutation, byTests }
    const bySimulator = await simulate(tree)
    if (bySimulator !== undefined || values.sample === undefined) return { mutation, bySimulator }
    // On a machine under load a test may look before there is anything to see.
    return { mutation, byTests: await test(tree, testsNear(mutation)) }
  } finally {
    mend()
  }
}

function show({ mutation, bySimulator, byTests }: Found): void {
  const who = byTests !== undefined ? 'tests' : bySimulator !== undefined ? 'simulator' : 'NOBODY'
  process.stderr.write(`${who.padEnd(10)} ${mutation.class}: ${mutation.name}\n`)
  const said = byTests ?? bySimulator
  // A test that failed as it should is no failure of this run.
  const noticed = said?.replace(/^not ok \d+ - /, '')
  if (noticed !== undefined) process.stderr.write(`${' '.repeat(11)}${noticed}\n`)
}

for (const group of MUTATION_CLASSES) {
  if (MUTATIONS.filter((mutation) => mutation.class === group).length < 2) {
    throw new Error(`class '${group}' has fewer than two mutations`)
  }
}
/** Without a bug nobody may find one: what notices nothing would otherwise not be told from what always complains. */
async function checkSound(): Promise<void> {
  const tree = new Tree()
  try {
    const said = (await simulate(tree)) ?? (await test(tree, ALL_TESTS))
    if (said !== undefined) throw new Error(`it fails without a planted bug: ${said}`)
  } finally {
    tree.remove()
  }
}

const waiting = [...chosen()]
const found: Found[] = []
const isWhole = values.sample === undefined && values.only === undefined
if (isWhole) await checkSound()
await Promise.all(
  Array.from({ length: Math.min(Number(values.workers), waiting.length) }, async () => {
    const tree = new Tree()
    try {
      for (let mutation = waiting.shift(); mutation !== undefined; mutation = waiting.shift()) {
        const one = await look(tree, mutation)
        show(one)
        found.push(one)
      }
    } finally {
      tree.remove()
    }
  })
)
const caught = found.filter(({ bySimulator, byTests }) => bySimulator !== undefined || byTests !== undefined)
const onlySimulator = caught.filter(({ byTests }) => byTests === undefined)
process.stdout.write(
  `${JSON.stringify({ mutants: found.length, caught: caught.length, caughtBySimulatorOnly: onlySimulator.length })}\n`
)
const isEnough = !isWhole || onlySimulator.length >= LEAST_BY_SIMULATOR
if (!isEnough) {
  process.stderr.write(
    `the simulator alone noticed ${onlySimulator.length}, it must be ${LEAST_BY_SIMULATOR} at least\n`
  )
}
process.exitCode = caught.length === found.length && found.length > 0 && isEnough ? 0 : 1
