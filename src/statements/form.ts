/** How statements look. Nothing here signs or hashes: decisions may load it (`.dependency-cruiser.decisions.cjs`). */
export * from './canonical.ts'
export * from './field.ts'
export * from './kinds.ts'
