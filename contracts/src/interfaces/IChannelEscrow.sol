// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title One-way payment channels with cumulative vouchers
/// @notice Functions, structs, events and EIP-712 types are those of the public x402 *batch-settlement* scheme for EVM,
/// so its clients work with this contract and ours with the public one. The errors are our own: each says which
/// numbers did not fit.
///
/// A channel is the hash of its config. The payer deposits once and signs vouchers off the chain, each naming the
/// total the receiver may have taken so far; the receiver claims the latest one when it pleases. The payer gets back
/// what was never claimed by a refund that the receiver agrees to, or alone after `withdrawDelay`.
///
/// Vouchers that were not claimed reserve nothing: a receiver that sees `WithdrawInitiated` must claim before
/// `finalizeAfter`.
interface IChannelEscrow {
    // ------------------------------------------------------------------------------------------------- structs

    /// @notice What a channel is; none of it can change
    /// @param payer Owner of the deposit
    /// @param payerAuthorizer Account that signs vouchers, or zero: then the payer itself signs (EIP-1271 works)
    /// @param receiver Where claimed tokens go
    /// @param receiverAuthorizer May claim and refund, directly or by signature
    /// @param token ERC-20; tokens that take a fee on transfer are refused
    /// @param withdrawDelay Seconds between asking for a withdrawal and getting it
    /// @param salt Tells channels with the same parameters apart
    struct ChannelConfig {
        address payer;
        address payerAuthorizer;
        address receiver;
        address receiverAuthorizer;
        address token;
        uint40 withdrawDelay;
        bytes32 salt;
    }

    /// @param balance Deposits minus refunds and withdrawals; claims do not lower it
    /// @param totalClaimed Never above `balance`, never falls
    struct ChannelState {
        uint128 balance;
        uint128 totalClaimed;
    }

    /// @param amount What the payer asked for and was not refunded since
    /// @param initiatedAt Unix seconds; zero when nothing is pending
    struct WithdrawalState {
        uint128 amount;
        uint40 initiatedAt;
    }

    /// @notice Sums over all channels of one receiver and token
    struct ReceiverState {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    /// @notice The payer's promise: `EIP-712 Voucher(bytes32 channelId,uint128 maxClaimableAmount)`
    struct Voucher {
        ChannelConfig channel;
        uint128 maxClaimableAmount;
    }

    /// @param signature The payer side's signature of the voucher
    /// @param totalClaimed The total to have claimed after this row, at most the voucher's ceiling. At or below what is
    /// claimed already the row does nothing, so a replayed voucher is harmless
    struct VoucherClaim {
        Voucher voucher;
        bytes signature;
        uint128 totalClaimed;
    }

    // -------------------------------------------------------------------------------------------------- events

    /// @notice A channel went from empty to funded with nothing claimed. A channel can be created again after it closed
    event ChannelCreated(bytes32 indexed channelId, ChannelConfig config);
    /// @notice Everything was paid back and nothing had been claimed
    event ChannelClosed(bytes32 indexed channelId, ChannelConfig config);
    /// @notice A deposit arrived
    event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance);
    /// @notice The receiver's share of a channel grew by `claimAmount`; tokens move at `settle`
    event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed);
    /// @notice Claimed tokens were paid out
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);
    /// @notice Unclaimed tokens went back to the payer with the receiver's consent
    event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount);
    /// @notice The payer asked for tokens back; the receiver has until `finalizeAfter` (Unix seconds) to claim
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 finalizeAfter);
    /// @notice A withdrawal was paid out, as far as tokens were still unclaimed
    event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount);

    // -------------------------------------------------------------------------------------------------- errors

    /// @notice None of these four may be zero
    error InvalidChannel(address payer, address receiver, address receiverAuthorizer, address token);
    /// @notice `withdrawDelay` must lie within both bounds, in seconds
    error WithdrawDelayOutOfRange(uint40 withdrawDelay, uint40 minimum, uint40 maximum);
    /// @notice Deposits, refunds and withdrawals move something
    error ZeroAmount();
    /// @notice There is no code at this address that could collect
    error InvalidCollector(address collector);
    /// @notice The sum does not fit into a voucher's 128 bits
    error DepositOverflow(uint128 balance, uint128 amount);
    /// @notice The collector did not bring exactly the amount, for instance because the token takes a fee
    error DepositNotReceived(uint256 received, uint256 expected);
    /// @notice A claim has at least one row
    error EmptyBatch();
    /// @notice Only the receiver or its authorizer may do this directly
    error NotReceiverSide(address caller, address receiver, address receiverAuthorizer);
    /// @notice Only the payer or its authorizer may do this
    error NotPayerSide(address caller, address payer, address payerAuthorizer);
    /// @notice All rows of a signed batch have one authorizer
    error ReceiverAuthorizerMismatch(uint256 row, address actual, address expected);
    /// @notice A row claims more than its voucher allows
    error ClaimExceedsCeiling(bytes32 channelId, uint128 totalClaimed, uint128 maxClaimableAmount);
    /// @notice A row claims more than the channel holds
    error ClaimExceedsBalance(bytes32 channelId, uint128 totalClaimed, uint128 balance);
    /// @notice The voucher is not signed by `signer`. Signatures have 65 bytes, a low s and v of 27 or 28
    error InvalidVoucherSignature(bytes32 channelId, uint128 maxClaimableAmount, address signer);
    /// @notice The batch or refund is not signed by the receiver's authorizer
    error InvalidAuthorizerSignature(bytes32 digest, address authorizer);
    /// @notice A refund signature counts for one nonce
    error InvalidRefundNonce(uint256 nonce, uint256 expected);
    /// @notice One withdrawal at a time; the pending one began at `initiatedAt`
    error WithdrawalAlreadyPending(bytes32 channelId, uint128 amount, uint40 initiatedAt);
    /// @notice There is nothing to finalize
    error WithdrawalNotPending(bytes32 channelId);
    /// @notice Too early, in Unix seconds
    error WithdrawDelayNotElapsed(uint256 timestamp, uint256 finalizeAfter);
    /// @notice Only what is not claimed can be withdrawn
    error WithdrawExceedsAvailable(uint128 amount, uint128 available);

    // ------------------------------------------------------------------------------------------------- deposit

    /// @notice Credits a channel with tokens of `config.payer`. Anybody may send it (a seller can pay the gas), so the
    /// collector checks the payer's signature
    /// @param amount In atomic units; exactly this much must arrive
    /// @param collector An `IDepositCollector`
    /// @param collectorData See the collector
    function deposit(
        ChannelConfig calldata config,
        uint128 amount,
        address collector,
        bytes calldata collectorData
    ) external;

    // --------------------------------------------------------------------------------------- claim and settle

    /// @notice Books vouchers; the caller is the receiver or receiverAuthorizer of every row. One bad row reverts all
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice Books vouchers on the signature of their common receiverAuthorizer; anybody may send it
    /// @param authorizerSignature Over `getClaimBatchDigest(voucherClaims)`
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Pays out what is claimed and not yet settled; anybody may send it. Does nothing if that is zero
    function settle(address receiver, address token) external;

    // -------------------------------------------------------------------------------------- refund and withdraw

    /// @notice Gives unclaimed tokens back; the caller is the receiver or receiverAuthorizer
    /// @dev Each refund that does not revert uses up one nonce, also when there was nothing left to give
    /// @param amount Capped to what is unclaimed
    function refund(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Gives unclaimed tokens back on the receiverAuthorizer's signature; anybody may send it
    /// @param nonce Must be `refundNonce(channelId)`
    /// @param receiverAuthorizerSignature Over `getRefundDigest(channelId, nonce, amount)`
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external;

    /// @notice The payer side starts the delay after which it gets unclaimed tokens back alone
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external;

    /// @notice The payer side ends a withdrawal whose delay has passed; pays at most what is still unclaimed
    function finalizeWithdraw(ChannelConfig calldata config) external;

    // --------------------------------------------------------------------------------------------------- views

    /// @notice EIP-712 hash of the config under this contract's domain: differs per chain and deployment
    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);
    /// @notice What the payer side signs
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32);
    /// @notice What the receiverAuthorizer signs to give `amount` back
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32);
    /// @notice What the receiverAuthorizer signs to have rows claimed by somebody else
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);
    /// @notice See `ChannelState`
    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);
    /// @notice See `WithdrawalState`
    function pendingWithdrawals(bytes32 channelId) external view returns (uint128 amount, uint40 initiatedAt);
    /// @notice See `ReceiverState`
    function receivers(
        address receiver,
        address token
    ) external view returns (uint128 totalClaimed, uint128 totalSettled);
    /// @notice The nonce the next refund signature must carry
    function refundNonce(bytes32 channelId) external view returns (uint256);

    /// @notice Shortest withdrawal delay, seconds
    function MIN_WITHDRAW_DELAY() external view returns (uint40);
    /// @notice Longest withdrawal delay, seconds
    function MAX_WITHDRAW_DELAY() external view returns (uint40);
    /// @notice EIP-712 type hash
    function CHANNEL_CONFIG_TYPEHASH() external view returns (bytes32);
    /// @notice EIP-712 type hash
    function VOUCHER_TYPEHASH() external view returns (bytes32);
    /// @notice EIP-712 type hash
    function REFUND_TYPEHASH() external view returns (bytes32);
    /// @notice EIP-712 type hash
    function CLAIM_ENTRY_TYPEHASH() external view returns (bytes32);
    /// @notice EIP-712 type hash
    function CLAIM_BATCH_TYPEHASH() external view returns (bytes32);
}
