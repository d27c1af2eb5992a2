import { createRequire } from 'node:module'

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'amd64', arm64: 'arm64' }

/**
 * Path of the native binary of a foundry tool. npm puts it into a package per platform beside a wrapper script; the
 * wrapper would be a second process between us and the tool.
 */
export function foundryBinary(tool: 'anvil' | 'forge'): string {
  // The platform package is a dependency of the wrapper, not of ours, so it is looked up from there.
  const fromWrapper = createRequire(createRequire(import.meta.url).resolve(`@foundry-rs/${tool}/bin.mjs`))
  const binary = process.platform === 'win32' ? `${tool}.exe` : tool
  const platform = `${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`
  return fromWrapper.resolve(`@foundry-rs/${tool}-${platform}/bin/${binary}`)
}
