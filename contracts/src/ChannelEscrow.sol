// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {IDepositCollector} from "./interfaces/IDepositCollector.sol";

/// @title ChannelEscrow
/// @notice See {IChannelEscrow}
contract ChannelEscrow is IChannelEscrow, EIP712, Multicall, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @inheritdoc IChannelEscrow
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    /// @inheritdoc IChannelEscrow
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /// @inheritdoc IChannelEscrow
    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = keccak256(
        "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)"
    );
    /// @inheritdoc IChannelEscrow
    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint128 maxClaimableAmount)");
    /// @inheritdoc IChannelEscrow
    bytes32 public constant REFUND_TYPEHASH = keccak256("Refund(bytes32 channelId,uint256 nonce,uint128 amount)");
    /// @inheritdoc IChannelEscrow
    bytes32 public constant CLAIM_ENTRY_TYPEHASH =
        keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)");
    /// @inheritdoc IChannelEscrow
    bytes32 public constant CLAIM_BATCH_TYPEHASH = keccak256(
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    );

    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => ChannelState) public channels;
    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => WithdrawalState) public pendingWithdrawals;
    /// @inheritdoc IChannelEscrow
    mapping(address receiver => mapping(address token => ReceiverState)) public receivers;
    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => uint256) public refundNonce;

    constructor() EIP712("x402 Batch Settlement", "1") {}

    modifier onlyPayerSide(ChannelConfig calldata config) {
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) {
            revert NotPayerSide(msg.sender, config.payer, config.payerAuthorizer);
        }
        _;
    }

    // ------------------------------------------------------------------------------------------------- deposit

    /// @inheritdoc IChannelEscrow
    function deposit(
        ChannelConfig calldata config,
        uint128 amount,
        address collector,
        bytes calldata collectorData
    ) external nonReentrant {
        _requireValid(config);
        if (amount == 0) revert ZeroAmount();
        if (collector.code.length == 0) revert InvalidCollector(collector);

        bytes32 channelId = getChannelId(config);
        ChannelState storage channel = channels[channelId];
        uint128 balance = channel.balance;
        if (amount > type(uint128).max - balance) revert DepositOverflow(balance, amount);

        channel.balance = balance + amount;
        if (balance == 0 && channel.totalClaimed == 0) emit ChannelCreated(channelId, config);
        emit Deposited(channelId, msg.sender, amount, balance + amount);

        // The collector is the caller's choice and may be hostile: all it can do is bring exactly the amount. Every
        // other way of raising or lowering this balance is behind the same reentrancy lock.
        IERC20 token = IERC20(config.token);
        uint256 before = token.balanceOf(address(this));
        IDepositCollector(collector).collect(config.payer, config.token, amount, channelId, collectorData);
        uint256 afterwards = token.balanceOf(address(this));
        uint256 received = afterwards > before ? afterwards - before : 0;
        if (received != amount) revert DepositNotReceived(received, amount);
    }

    // --------------------------------------------------------------------------------------- claim and settle

    /// @inheritdoc IChannelEscrow
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        uint256 length = voucherClaims.length;
        if (length == 0) revert EmptyBatch();
        bytes32 domain = _domainSeparatorV4();
        for (uint256 i; i < length; ++i) {
            VoucherClaim calldata row = voucherClaims[i];
            _requireReceiverSide(row.voucher.channel);
            _claim(row, _channelId(domain, row.voucher.channel), domain);
        }
    }

    /// @inheritdoc IChannelEscrow
    function claimWithSignature(
        VoucherClaim[] calldata voucherClaims,
        bytes calldata authorizerSignature
    ) external nonReentrant {
        uint256 length = voucherClaims.length;
        if (length == 0) revert EmptyBatch();
        bytes32 domain = _domainSeparatorV4();
        bytes32[] memory channelIds = _channelIds(domain, voucherClaims);
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        _requireAuthorized(authorizer, _claimBatchDigest(domain, channelIds, voucherClaims), authorizerSignature);

        for (uint256 i; i < length; ++i) {
            VoucherClaim calldata row = voucherClaims[i];
            if (row.voucher.channel.receiverAuthorizer != authorizer) {
                revert ReceiverAuthorizerMismatch(i, row.voucher.channel.receiverAuthorizer, authorizer);
            }
            _claim(row, channelIds[i], domain);
        }
    }

    /// @inheritdoc IChannelEscrow
    function settle(address receiver, address token) external nonReentrant {
        ReceiverState storage sums = receivers[receiver][token];
        uint128 totalClaimed = sums.totalClaimed;
        uint128 amount = totalClaimed - sums.totalSettled;
        if (amount == 0) return;

        sums.totalSettled = totalClaimed;
        emit Settled(receiver, token, msg.sender, amount);

        IERC20(token).safeTransfer(receiver, amount);
    }

    // -------------------------------------------------------------------------------------- refund and withdraw

    /// @inheritdoc IChannelEscrow
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        _requireReceiverSide(config);
        _refund(config, getChannelId(config), amount);
    }

    /// @inheritdoc IChannelEscrow
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 channelId = getChannelId(config);
        uint256 expected = refundNonce[channelId];
        if (nonce != expected) revert InvalidRefundNonce(nonce, expected);
        bytes32 digest = getRefundDigest(channelId, nonce, amount);
        _requireAuthorized(config.receiverAuthorizer, digest, receiverAuthorizerSignature);
        _refund(config, channelId, amount);
    }

    /// @inheritdoc IChannelEscrow
    function initiateWithdraw(
        ChannelConfig calldata config,
        uint128 amount
    ) external nonReentrant onlyPayerSide(config) {
        if (amount == 0) revert ZeroAmount();
        bytes32 channelId = getChannelId(config);
        WithdrawalState storage pending = pendingWithdrawals[channelId];
        if (pending.initiatedAt != 0) {
            revert WithdrawalAlreadyPending(channelId, pending.amount, pending.initiatedAt);
        }
        uint128 available = _available(channels[channelId]);
        if (amount > available) revert WithdrawExceedsAvailable(amount, available);

        pending.amount = amount;
        pending.initiatedAt = uint40(block.timestamp);
        emit WithdrawInitiated(channelId, amount, uint40(block.timestamp) + config.withdrawDelay);
    }

    /// @inheritdoc IChannelEscrow
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant onlyPayerSide(config) {
        bytes32 channelId = getChannelId(config);
        WithdrawalState memory pending = pendingWithdrawals[channelId];
        if (pending.initiatedAt == 0) revert WithdrawalNotPending(channelId);
        uint256 finalizeAfter = uint256(pending.initiatedAt) + config.withdrawDelay;
        if (block.timestamp < finalizeAfter) revert WithdrawDelayNotElapsed(block.timestamp, finalizeAfter);

        delete pendingWithdrawals[channelId];
        ChannelState storage channel = channels[channelId];
        uint128 amount = _min(pending.amount, _available(channel));
        channel.balance -= amount;
        emit WithdrawFinalized(channelId, msg.sender, amount);
        _emitIfClosed(config, channelId, channel);

        if (amount > 0) IERC20(config.token).safeTransfer(config.payer, amount);
    }

    // --------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IChannelEscrow
    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return _channelId(_domainSeparatorV4(), config);
    }

    /// @inheritdoc IChannelEscrow
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32) {
        return _voucherDigest(_domainSeparatorV4(), channelId, maxClaimableAmount);
    }

    /// @inheritdoc IChannelEscrow
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REFUND_TYPEHASH, channelId, nonce, amount)));
    }

    /// @inheritdoc IChannelEscrow
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32) {
        bytes32 domain = _domainSeparatorV4();
        return _claimBatchDigest(domain, _channelIds(domain, voucherClaims), voucherClaims);
    }

    // ------------------------------------------------------------------------------------------------- private

    function _claim(VoucherClaim calldata row, bytes32 channelId, bytes32 domain) private {
        ChannelConfig calldata config = row.voucher.channel;
        ChannelState storage channel = channels[channelId];
        uint128 claimed = channel.totalClaimed;
        uint128 total = row.totalClaimed;
        uint128 ceiling = row.voucher.maxClaimableAmount;
        if (total <= claimed) return;
        if (total > ceiling) revert ClaimExceedsCeiling(channelId, total, ceiling);
        if (total > channel.balance) revert ClaimExceedsBalance(channelId, total, channel.balance);
        _requireVoucherSigned(config, channelId, ceiling, domain, row.signature);

        channel.totalClaimed = total;
        receivers[config.receiver][config.token].totalClaimed += total - claimed;
        emit Claimed(channelId, msg.sender, total - claimed, total);
    }

    function _refund(ChannelConfig calldata config, bytes32 channelId, uint128 requested) private {
        if (requested == 0) revert ZeroAmount();
        refundNonce[channelId] += 1;
        ChannelState storage channel = channels[channelId];
        uint128 amount = _min(requested, _available(channel));
        if (amount == 0) return;

        channel.balance -= amount;
        WithdrawalState storage pending = pendingWithdrawals[channelId];
        if (pending.initiatedAt != 0) {
            // What is refunded need not be withdrawn any more.
            if (amount >= pending.amount) delete pendingWithdrawals[channelId];
            else pending.amount -= amount;
        }
        emit Refunded(channelId, msg.sender, amount);
        _emitIfClosed(config, channelId, channel);

        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    function _emitIfClosed(ChannelConfig calldata config, bytes32 channelId, ChannelState storage channel) private {
        if (channel.balance == 0 && channel.totalClaimed == 0) emit ChannelClosed(channelId, config);
    }

    function _requireValid(ChannelConfig calldata config) private pure {
        if (
            config.payer == address(0) || config.receiver == address(0) || config.receiverAuthorizer == address(0)
                || config.token == address(0)
        ) revert InvalidChannel(config.payer, config.receiver, config.receiverAuthorizer, config.token);
        if (config.withdrawDelay < MIN_WITHDRAW_DELAY || config.withdrawDelay > MAX_WITHDRAW_DELAY) {
            revert WithdrawDelayOutOfRange(config.withdrawDelay, MIN_WITHDRAW_DELAY, MAX_WITHDRAW_DELAY);
        }
    }

    function _requireReceiverSide(ChannelConfig calldata config) private view {
        if (msg.sender != config.receiver && msg.sender != config.receiverAuthorizer) {
            revert NotReceiverSide(msg.sender, config.receiver, config.receiverAuthorizer);
        }
    }

    function _requireVoucherSigned(
        ChannelConfig calldata config,
        bytes32 channelId,
        uint128 ceiling,
        bytes32 domain,
        bytes calldata signature
    ) private view {
        bytes32 digest = _voucherDigest(domain, channelId, ceiling);
        address signer = config.payerAuthorizer;
        bool valid;
        if (signer != address(0)) {
            // A failed recovery yields the zero address, which is not the signer.
            (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
            valid = recovered == signer;
        } else {
            signer = config.payer;
            valid = SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature);
        }
        if (!valid) revert InvalidVoucherSignature(channelId, ceiling, signer);
    }

    function _requireAuthorized(address authorizer, bytes32 digest, bytes calldata signature) private view {
        if (!SignatureChecker.isValidSignatureNowCalldata(authorizer, digest, signature)) {
            revert InvalidAuthorizerSignature(digest, authorizer);
        }
    }

    function _channelId(bytes32 domain, ChannelConfig calldata config) private pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(CHANNEL_CONFIG_TYPEHASH, config)));
    }

    function _channelIds(bytes32 domain, VoucherClaim[] calldata rows) private pure returns (bytes32[] memory ids) {
        ids = new bytes32[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            ids[i] = _channelId(domain, rows[i].voucher.channel);
        }
    }

    function _voucherDigest(bytes32 domain, bytes32 channelId, uint128 ceiling) private pure returns (bytes32) {
        return MessageHashUtils.toTypedDataHash(domain, keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, ceiling)));
    }

    function _claimBatchDigest(
        bytes32 domain,
        bytes32[] memory channelIds,
        VoucherClaim[] calldata rows
    ) private pure returns (bytes32) {
        bytes32[] memory entries = new bytes32[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            entries[i] = keccak256(
                abi.encode(
                    CLAIM_ENTRY_TYPEHASH, channelIds[i], rows[i].voucher.maxClaimableAmount, rows[i].totalClaimed
                )
            );
        }
        bytes32 structHash = keccak256(abi.encode(CLAIM_BATCH_TYPEHASH, keccak256(abi.encodePacked(entries))));
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }

    function _available(ChannelState storage channel) private view returns (uint128) {
        return channel.balance - channel.totalClaimed;
    }

    function _min(uint128 a, uint128 b) private pure returns (uint128) {
        return a < b ? a : b;
    }
}
