import { channelCheats } from './channel-cheats.ts'
import { channelLife } from './channel-life.ts'
import { channelRefunds } from './channel-refunds.ts'
import { evmSetup } from './evm-market.ts'
import { paymentRailCompliance } from './payment-rail.ts'

const setup = evmSetup()
paymentRailCompliance('evm', setup)
channelCheats('evm', setup)
channelLife('evm', setup)
channelRefunds('evm', setup)
