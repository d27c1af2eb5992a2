// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IDepositCollector} from "../interfaces/IDepositCollector.sol";
import {EscrowOnly} from "./EscrowOnly.sol";

/// @title Deposits from an ordinary ERC-20 allowance, for tokens without EIP-3009
/// @notice The payer approves this contract once and signs each deposit:
/// `AllowanceDeposit(address token,uint256 amount,bytes32 channelId,bytes32 nonce,uint256 deadline)` under the domain
/// ("DDM Allowance Collector", "1", chain, this contract). The allowance alone moves nothing.
contract AllowanceCollector is EscrowOnly, EIP712 {
    using SafeERC20 for IERC20;

    /// @notice EIP-712 type hash of what the payer signs
    bytes32 public constant ALLOWANCE_DEPOSIT_TYPEHASH =
        keccak256("AllowanceDeposit(address token,uint256 amount,bytes32 channelId,bytes32 nonce,uint256 deadline)");

    /// @notice Whether the payer's nonce is spent. Nonces are random, not counted: deposits may be signed in parallel
    mapping(address payer => mapping(bytes32 nonce => bool)) public nonceUsed;

    /// @notice Past the deadline, both in Unix seconds
    error DepositExpired(uint256 timestamp, uint256 deadline);
    /// @notice A signed deposit is taken once
    error NonceUsed(address payer, bytes32 nonce);
    /// @notice The payer did not sign this deposit into this channel
    error InvalidDepositSignature(address payer, bytes32 channelId, uint256 amount);

    /// @notice The payer made a nonce worthless
    event NonceCancelled(address indexed payer, bytes32 indexed nonce);

    constructor(address escrow_) EscrowOnly(escrow_) EIP712("DDM Allowance Collector", "1") {}

    /// @inheritdoc IDepositCollector
    /// @param collectorData `abi.encode(bytes32 nonce, uint256 deadline, bytes signature)`
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata collectorData
    ) external onlyEscrow {
        (bytes32 nonce, uint256 deadline, bytes memory signature) = abi.decode(collectorData, (bytes32, uint256, bytes));
        if (block.timestamp > deadline) revert DepositExpired(block.timestamp, deadline);
        if (nonceUsed[payer][nonce]) revert NonceUsed(payer, nonce);
        bytes32 digest = getDepositDigest(token, amount, channelId, nonce, deadline);
        if (!SignatureChecker.isValidSignatureNow(payer, digest, signature)) {
            revert InvalidDepositSignature(payer, channelId, amount);
        }

        nonceUsed[payer][nonce] = true;
        IERC20(token).safeTransferFrom(payer, escrow, amount);
    }

    /// @notice Takes back a deposit of the caller that was signed and not yet sent
    function cancelNonce(bytes32 nonce) external {
        if (nonceUsed[msg.sender][nonce]) revert NonceUsed(msg.sender, nonce);
        nonceUsed[msg.sender][nonce] = true;
        emit NonceCancelled(msg.sender, nonce);
    }

    /// @notice What the payer signs
    function getDepositDigest(
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes32 nonce,
        uint256 deadline
    ) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(ALLOWANCE_DEPOSIT_TYPEHASH, token, amount, channelId, nonce, deadline))
        );
    }
}
