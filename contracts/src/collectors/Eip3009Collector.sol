// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IDepositCollector} from "../interfaces/IDepositCollector.sol";
import {IEip3009} from "../interfaces/IEip3009.sol";
import {EscrowOnly} from "./EscrowOnly.sol";

/// @title Deposits without gas or allowance, for tokens with EIP-3009 such as USDC
/// @notice The payer signs `ReceiveWithAuthorization` of the token with this contract as `to` and the nonce
/// `keccak256(abi.encode(channelId, salt))`. The nonce binds the authorization to one channel, the token's domain binds
/// it to one chain. Data and nonce are those of the public x402 batch-settlement clients.
contract Eip3009Collector is EscrowOnly {
    using SafeERC20 for IERC20;

    constructor(address escrow_) EscrowOnly(escrow_) {}

    /// @inheritdoc IDepositCollector
    /// @param collectorData `abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes signature)`
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata collectorData
    ) external onlyEscrow {
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(collectorData, (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IEip3009(token)
            .receiveWithAuthorization(payer, address(this), amount, validAfter, validBefore, nonce, signature);
        // Only the payee may present such an authorization, so the tokens pass through here and never stay.
        IERC20(token).safeTransfer(escrow, amount);
    }
}
