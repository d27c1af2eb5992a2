// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title How tokens get from a payer into the escrow
/// @notice A deposit may be sent by anybody, so a collector MUST take the tokens only with a signature of `payer` that
/// covers the chain, the channel and the amount. Otherwise a stranger could deposit a victim's money into a channel of
/// which he himself is the receiver.
interface IDepositCollector {
    /// @notice Moves exactly `amount` of `token` from `payer` to the calling escrow, or reverts
    /// @param payer Owner of the tokens, from the channel's config
    /// @param token ERC-20, from the channel's config
    /// @param amount In the token's atomic units
    /// @param channelId The channel that is credited
    /// @param collectorData What this collector needs as proof; each collector documents its encoding
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata collectorData
    ) external;
}
