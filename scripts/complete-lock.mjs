// Adds to package-lock.json the optional platform packages that npm left out because the registry it asked does not
// carry them for this platform. Without these entries `npm ci` refuses the lock file, and macOS or arm could not install.
// Run after every change of dependencies: node scripts/complete-lock.mjs
import { readFileSync, writeFileSync } from 'node:fs'

const OPERATING_SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32'
]
const CPUS = {
  amd64: 'x64',
  arm: 'arm',
  arm64: 'arm64',
  ia32: 'ia32',
  loong64: 'loong64',
  mips64el: 'mips64el',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64'
}

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))
let added = 0
for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`
    const words = name.split(/[/-]/)
    const os = words.find((word) => OPERATING_SYSTEMS.includes(word))
    const cpu = words.find((word) => word in CPUS)
    if (lock.packages[key] !== undefined || os === undefined || cpu === undefined) continue
    lock.packages[key] = { version, cpu: [CPUS[cpu]], ...(entry.dev ? { dev: true } : {}), optional: true, os: [os] }
    if (os === 'linux' && words.includes('musl')) lock.packages[key].libc = ['musl']
    added++
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1))
lock.packages = Object.fromEntries(sorted)
writeFileSync('package-lock.json', `${JSON.stringify(lock, null, 2)}\n`)
console.log(`${added} platform packages added to package-lock.json`)
