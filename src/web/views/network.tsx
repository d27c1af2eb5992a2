import { api } from '../client/api.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Empty, Loading } from '../parts/empty.tsx'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'
import { Text } from '../parts/text.tsx'

const LOOK_MS = 3000

/** This node, and whom it is connected to. */
export function NetworkView() {
  const peers = useResource((options) => api.peers(options), [], { every: LOOK_MS })
  const now = useResource((options) => api.node(options), [], { every: LOOK_MS })
  const known = now.value ?? node.value
  if (known === undefined) return <Page title="Network">{null}</Page>
  const { peerId, account, addresses, unconfirmedAddresses, profile, version, home, startedAt } = known
  return (
    <Page title="Network">
      <Problem error={peers.error ?? now.error} />
      <Facts
        of={[
          ['This node', <Hash key="peer" value={peerId} name="peer ID" />],
          ['Account', <Hash key="account" value={account} name="account" />],
          ['Network', `${profile.name}, chain ${profile.chain.id}`],
          ['Version', version],
          ['Home', home],
          ['Running since', new Date(startedAt).toLocaleString()]
        ]}
      />
      <section>
        <h2>Addresses</h2>
        {addresses.length === 0 ? (
          <Empty title="Nobody can dial this node">
            It can buy. To sell, it needs an address that others reach; run <code>ddm doctor</code> for advice.
          </Empty>
        ) : (
          <ul>
            {addresses.map((address) => (
              <li key={address}>
                <Text max={300}>{address}</Text>
              </li>
            ))}
          </ul>
        )}
        {unconfirmedAddresses.map((address) => (
          <p key={address}>
            <Text max={300}>{address}</Text> is not told to others: nobody has dialled it back yet.
          </p>
        ))}
      </section>
      {peers.value === undefined && peers.error === undefined ? <Loading /> : null}
      {peers.value?.length === 0 ? (
        <Empty title="No peers">
          The node is alone. Check that the network profile names a bootstrap node that runs; <code>ddm doctor</code>{' '}
          tries it.
        </Empty>
      ) : null}
      {peers.value === undefined || peers.value.length === 0 ? null : (
        <Table
          caption={`Peers: ${peers.value.length} connections`}
          columns={['Peer', 'Address', 'Direction', 'Since']}
          rows={peers.value.map(({ peerId: peer, address, direction, since, limited }, index) => ({
            key: `${index} ${address}`,
            cells: [
              <Hash key="peer" value={peer} name="peer ID" />,
              <Text key="address" max={300}>
                {address}
              </Text>,
              limited ? `${direction}, through a relay` : direction,
              new Date(since).toLocaleTimeString()
            ]
          }))}
        />
      )}
    </Page>
  )
}
