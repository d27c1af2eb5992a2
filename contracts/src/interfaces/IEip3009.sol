// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The parts of EIP-3009 (as in USDC 2.2) that deposits use
interface IEip3009 {
    /// @notice Moves tokens on the signed authorization of `from`; only the payee `to` may call it
    /// @param signature 65 bytes r ‖ s ‖ v of an account, or whatever the EIP-1271 wallet `from` accepts
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
