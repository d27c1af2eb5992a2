// The program: src with what it depends on, in a few files in dist/lib. Reading and compiling the thousands of modules
// that it has apart is most of what a node's start takes.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build } from 'esbuild'
import { root } from './setup.mjs'

/** Native code, a program, and what starts threads from files of its own. */
const unbundled = ['@foundry-rs/anvil', 'classic-level', 'pino', 'secp256k1']

/** What the source imports when it is needed: of CommonJS among it a bundle would lose the names. */
const lazy = [
  '@fastify/static',
  '@nats-io/*',
  'csv-parse',
  'eventsource-parser',
  'hyparquet',
  'hyparquet-writer',
  'mqtt',
  'pg',
  'pino-roll',
  'prom-client',
  'systeminformation',
  'tar',
  'ws'
]

/** What CommonJS modules ask for at run time. */
const banner = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);"

/** Builds dist/lib. */
export async function buildProgram() {
  const outdir = join(root, 'dist', 'lib')
  const entryPoints = { ddm: 'src/cli/main.ts', index: 'src/index.ts', bootstrap: 'bootstrap/main.ts' }
  const { inputs, outputs } = await bundle(entryPoints, outdir)
  writeFileSync(join(outdir, 'LICENSES.txt'), licenses(Object.keys(inputs)))
  // Parts have other names when they change.
  const built = Object.keys(outputs).map((file) => basename(file))
  for (const file of readdirSync(outdir)) if (file.endsWith('.js') && !built.includes(file)) rmSync(join(outdir, file))
}

/**
 * Builds what tests start as processes besides the program: nodes that are told what to do.
 *
 * @returns their folder
 */
export async function buildPeers() {
  const outdir = join(root, 'node_modules', '.cache', 'peers')
  const files = ['test/chaos', 'test/integration'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((file) => `${folder}/${file}`)
  )
  const peers = files.filter((file) => file.endsWith('-peer.ts'))
  await bundle(Object.fromEntries(peers.map((file) => [basename(file, '.ts'), file])), outdir)
  return outdir
}

/** Threads are files beside what starts them. */
const threads = {
  'database-worker': 'src/storage/database-worker.ts',
  'schema-worker': 'src/data/schema/schema-worker.ts'
}

/** @returns what it is made of, and what was made */
async function bundle(entryPoints, outdir) {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { ...entryPoints, ...threads },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    external: [...unbundled, ...lazy],
    banner: { js: banner },
    outdir,
    metafile: true,
    logLevel: 'warning'
  })
  const nameless = Object.keys(metafile.inputs).filter(
    (file) =>
      metafile.inputs[file].format === 'cjs' &&
      Object.values(metafile.outputs).some(({ entryPoint }) => entryPoint === file)
  )
  if (nameless.length > 0)
    throw new Error(`${nameless} is CommonJS and imported when it is needed: it belongs in \`lazy\``)
  return metafile
}

/** The licences of the packages that are in the bundle, as these ask for. */
function licenses(inputs) {
  const folders = new Set(inputs.map((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]).sort())
  folders.delete(undefined)
  const texts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const files = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    const said = files.map((file) => readFileSync(join(root, folder, file), 'utf8').trim())
    return [`${name} ${version} (${license})`, ...said].join('\n\n')
  })
  return texts.join(`\n\n${'-'.repeat(80)}\n\n`)
}
