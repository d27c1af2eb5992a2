import { exposureOf, type Grant, type TrustRecord, type TrustStore } from '../../src/interface/index.ts'

/** The trust tables without a disk; `test/unit/storage/trust.test.ts` holds the real ones to the same sums. */
export function memoryTrustStore(): TrustStore {
  const grants = new Map<string, Grant>()
  const records = new Map<string, TrustRecord>()
  const sum = (test: (grant: Grant) => boolean): bigint =>
    [...grants.values()].filter(test).reduce((total, grant) => total + exposureOf(grant), 0n)
  return {
    put: async (grant, changed) => {
      grants.set(`${grant.role} ${grant.session}`, { ...grant })
      for (const { by, name, ...record } of changed) records.set(`${grant.role} ${by} ${name}`, record)
    },
    grant: async (role, session) => grants.get(`${role} ${session}`),
    record: async (role, { by, name }) => records.get(`${role} ${by} ${name}`),
    exposure: async (role, { by, name }, except) => {
      const total = (open: boolean): bigint =>
        sum((g) => g.role === role && g[by] === name && g.session !== except && g.open === open)
      return { debt: total(false), open: total(true) }
    },
    strangers: async (role, since, except) =>
      sum((g) => g.role === role && g.stranger && g.at > since && g.session !== except),
    outstanding: async (role) =>
      [...grants.values()]
        .filter((g) => (role === undefined || g.role === role) && (g.open || exposureOf(g) > 0n))
        .sort((a, b) => a.at - b.at)
  }
}
