// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ChannelEscrow} from "../src/ChannelEscrow.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {EscrowFixture} from "./EscrowFixture.sol";

/// @dev A smart wallet that approves what its owner signs
contract Wallet is IERC1271 {
    address private immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return recovered == owner ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

contract ChannelEscrowTest is EscrowFixture {
    function setUp() public {
        deploy();
    }

    // ------------------------------------------------------------------------------------------------- deposit

    function testFuzz_depositsAddUp(uint96 first, uint96 second, address relayer) public {
        vm.assume(first > 0 && second > 0);
        IChannelEscrow.ChannelConfig memory config = channel(0);
        token.mint(payer, uint256(first) + second);
        bytes memory data = eip3009Data(PAYER_KEY, config, first, 1);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.ChannelCreated(idOf(config), config);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Deposited(idOf(config), relayer, first, first);
        vm.prank(relayer);
        escrow.deposit(config, first, address(eip3009), data);

        escrow.deposit(config, second, address(eip3009), eip3009Data(PAYER_KEY, config, second, 2));
        assertChannel(config, uint256(first) + second, 0);
        assertEq(token.balanceOf(address(escrow)), uint256(first) + second);
        assertEq(token.balanceOf(address(eip3009)), 0);
    }

    function test_refusesImpossibleChannels() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        config.receiverAuthorizer = address(0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.InvalidChannel.selector, config.payer, config.receiver, address(0), config.token
            )
        );
        escrow.deposit(config, 1, address(eip3009), "");

        config = channel(0);
        config.payer = address(0);
        vm.expectPartialRevert(IChannelEscrow.InvalidChannel.selector);
        escrow.deposit(config, 1, address(eip3009), "");
        config = channel(0);
        config.receiver = address(0);
        vm.expectPartialRevert(IChannelEscrow.InvalidChannel.selector);
        escrow.deposit(config, 1, address(eip3009), "");
        config = channel(0);
        config.token = address(0);
        vm.expectPartialRevert(IChannelEscrow.InvalidChannel.selector);
        escrow.deposit(config, 1, address(eip3009), "");

        uint40[2] memory delays = [uint40(15 minutes - 1), uint40(30 days + 1)];
        for (uint256 i; i < delays.length; ++i) {
            config = channel(0);
            config.withdrawDelay = delays[i];
            vm.expectRevert(
                abi.encodeWithSelector(IChannelEscrow.WithdrawDelayOutOfRange.selector, delays[i], 15 minutes, 30 days)
            );
            escrow.deposit(config, 1, address(eip3009), "");
        }
    }

    function test_refusesNothingNobodyAndTooMuch() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.ZeroAmount.selector));
        escrow.deposit(config, 0, address(eip3009), "");
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.InvalidCollector.selector, stranger));
        escrow.deposit(config, 1, stranger, "");
        fund(config, 5);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.DepositOverflow.selector, uint128(5), type(uint128).max));
        escrow.deposit(config, type(uint128).max, address(eip3009), "");
    }

    // --------------------------------------------------------------------------------------------------- claim

    function testFuzz_claimsTheDifference(uint128 deposited, uint128 first, uint128 second) public {
        deposited = uint128(bound(deposited, 2, 1e30));
        second = uint128(bound(second, 2, deposited));
        first = uint128(bound(first, 1, second - 1));
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, deposited);

        claimAs(RECEIVER, voucher(SIGNER_KEY, config, first, first));
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Claimed(idOf(config), authorizer, second - first, second);
        claimAs(authorizer, voucher(SIGNER_KEY, config, deposited, second));
        assertChannel(config, deposited, second);

        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Settled(RECEIVER, address(token), address(this), second);
        escrow.settle(RECEIVER, address(token));
        assertEq(token.balanceOf(RECEIVER), second);
        escrow.settle(RECEIVER, address(token));
        assertEq(token.balanceOf(RECEIVER), second);
    }

    function test_replayedAndLowerVouchersDoNothing() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        IChannelEscrow.VoucherClaim memory sixty = voucher(SIGNER_KEY, config, 60, 60);
        claimAs(RECEIVER, sixty);
        claimAs(RECEIVER, sixty);
        claimAs(RECEIVER, voucher(SIGNER_KEY, config, 40, 40));
        assertChannel(config, 100, 60);
    }

    function test_refusesMoreThanVoucherOrBalance() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config, 60, 61);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrow.ClaimExceedsCeiling.selector, idOf(config), uint128(61), uint128(60))
        );
        claimAs(RECEIVER, row);
        row = voucher(SIGNER_KEY, config, 200, 101);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.ClaimExceedsBalance.selector, idOf(config), uint128(101), uint128(100)
            )
        );
        claimAs(RECEIVER, row);
    }

    function testFuzz_onlyReceiverSideClaims(address caller) public {
        vm.assume(caller != RECEIVER && caller != authorizer);
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config, 60, 60);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.NotReceiverSide.selector, caller, RECEIVER, authorizer));
        claimAs(caller, row);
    }

    function test_refusesEmptyBatches() public {
        IChannelEscrow.VoucherClaim[] memory none = new IChannelEscrow.VoucherClaim[](0);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.EmptyBatch.selector));
        escrow.claim(none);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.EmptyBatch.selector));
        escrow.claimWithSignature(none, "");
    }

    function expectBadVoucher(IChannelEscrow.VoucherClaim memory row, address expectedSigner) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.InvalidVoucherSignature.selector,
                idOf(row.voucher.channel),
                row.voucher.maxClaimableAmount,
                expectedSigner
            )
        );
        claimAs(RECEIVER, row);
    }

    function test_refusesBentSignatures() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config, 60, 60);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, escrow.getVoucherDigest(idOf(config), 60));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint8 flipped = v == 27 ? 28 : 27;
        bytes[7] memory bent = [
            abi.encodePacked(r, s, flipped),
            abi.encodePacked(r, s, v - 27),
            abi.encodePacked(r, order - uint256(s), flipped),
            abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))),
            abi.encodePacked(r, s, v, uint8(0)),
            new bytes(65),
            bytes("")
        ];
        for (uint256 i; i < bent.length; ++i) {
            row.signature = bent[i];
            expectBadVoucher(row, signer);
        }
    }

    function test_refusesVouchersOfOthersAndForOthers() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        fund(channel(1), 100);
        expectBadVoucher(voucher(STRANGER_KEY, config, 60, 60), signer);
        // Where a hot signer is named, the payer's own key does not count.
        expectBadVoucher(voucher(PAYER_KEY, config, 60, 60), signer);

        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, channel(1), 60, 60);
        row.voucher.channel = config;
        expectBadVoucher(row, signer);

        row = voucher(SIGNER_KEY, config, 60, 60);
        row.voucher.maxClaimableAmount = 61;
        expectBadVoucher(row, signer);

        ChannelEscrow other = new ChannelEscrow();
        row.voucher.maxClaimableAmount = 60;
        row.signature = sign(SIGNER_KEY, other.getVoucherDigest(other.getChannelId(config), 60));
        expectBadVoucher(row, signer);
    }

    function test_oneBadRowRevertsAll() public {
        IChannelEscrow.VoucherClaim[] memory rows = new IChannelEscrow.VoucherClaim[](20);
        for (uint256 i; i < rows.length; ++i) {
            fund(channel(i), 100);
            rows[i] = voucher(i == 13 ? STRANGER_KEY : SIGNER_KEY, channel(i), 50, 50);
        }
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.InvalidVoucherSignature.selector, idOf(channel(13)), uint128(50), signer
            )
        );
        vm.prank(RECEIVER);
        escrow.claim(rows);

        rows[13] = voucher(SIGNER_KEY, channel(13), 50, 50);
        vm.prank(RECEIVER);
        escrow.claim(rows);
        (uint128 claimed,) = escrow.receivers(RECEIVER, address(token));
        assertEq(claimed, 1000);
    }

    function test_payerSignsWhenNoSignerIsNamed() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        config.payerAuthorizer = address(0);
        fund(config, 100);
        expectBadVoucher(voucher(SIGNER_KEY, config, 60, 60), payer);
        claimAs(RECEIVER, voucher(PAYER_KEY, config, 60, 60));
        assertChannel(config, 100, 60);
    }

    function test_smartWalletPaysAndSigns() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        config.payer = address(new Wallet(payer));
        config.payerAuthorizer = address(0);
        token.mint(config.payer, 100);
        vm.prank(config.payer);
        token.approve(address(allowance), 100);
        escrow.deposit(config, 100, address(allowance), allowanceData(PAYER_KEY, config, 100, 0, START));
        expectBadVoucher(voucher(STRANGER_KEY, config, 60, 60), config.payer);
        claimAs(RECEIVER, voucher(PAYER_KEY, config, 60, 60));
        assertChannel(config, 100, 60);
    }

    // ------------------------------------------------------------------------------------- claim by signature

    function test_anybodyRelaysASignedBatch() public {
        IChannelEscrow.VoucherClaim[] memory rows = new IChannelEscrow.VoucherClaim[](3);
        for (uint256 i; i < rows.length; ++i) {
            fund(channel(i), 100);
            rows[i] = voucher(SIGNER_KEY, channel(i), 50, uint128(10 * (i + 1)));
        }
        bytes memory signature = sign(AUTHORIZER_KEY, escrow.getClaimBatchDigest(rows));
        vm.prank(stranger);
        escrow.claimWithSignature(rows, signature);
        assertChannel(channel(2), 100, 30);
    }

    function test_batchDigestIsEip712() public view {
        IChannelEscrow.VoucherClaim[] memory rows = one(voucher(SIGNER_KEY, channel(0), 50, 40));
        bytes32 entry = keccak256(
            abi.encode(
                keccak256("ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"),
                idOf(channel(0)),
                50,
                40
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
                ),
                keccak256(abi.encodePacked(entry))
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("x402 Batch Settlement"),
                keccak256("1"),
                block.chainid,
                address(escrow)
            )
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        assertEq(escrow.getClaimBatchDigest(rows), expected);
    }

    function test_refusesChangedForgedAndMixedBatches() public {
        fund(channel(0), 100);
        IChannelEscrow.VoucherClaim[] memory rows = one(voucher(SIGNER_KEY, channel(0), 50, 40));
        bytes memory signature = sign(AUTHORIZER_KEY, escrow.getClaimBatchDigest(rows));
        rows[0].totalClaimed = 50;
        bytes32 digest = escrow.getClaimBatchDigest(rows);
        bytes memory invalid =
            abi.encodeWithSelector(IChannelEscrow.InvalidAuthorizerSignature.selector, digest, authorizer);
        vm.expectRevert(invalid);
        escrow.claimWithSignature(rows, signature);
        bytes memory forged = sign(STRANGER_KEY, digest);
        vm.expectRevert(invalid);
        escrow.claimWithSignature(rows, forged);

        IChannelEscrow.ChannelConfig memory foreign = channel(1);
        foreign.receiverAuthorizer = stranger;
        fund(foreign, 100);
        IChannelEscrow.VoucherClaim[] memory mixed = new IChannelEscrow.VoucherClaim[](2);
        mixed[0] = rows[0];
        mixed[1] = voucher(SIGNER_KEY, foreign, 50, 40);
        signature = sign(AUTHORIZER_KEY, escrow.getClaimBatchDigest(mixed));
        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrow.ReceiverAuthorizerMismatch.selector, 1, stranger, authorizer)
        );
        escrow.claimWithSignature(mixed, signature);
    }

    function test_multicallClaimsAndSettlesAtOnce() public {
        fund(channel(0), 100);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(IChannelEscrow.claim, (one(voucher(SIGNER_KEY, channel(0), 70, 70))));
        calls[1] = abi.encodeCall(IChannelEscrow.settle, (RECEIVER, address(token)));
        vm.prank(RECEIVER);
        escrow.multicall(calls);
        assertEq(token.balanceOf(RECEIVER), 70);
    }

    // -------------------------------------------------------------------------------------------------- refund

    function testFuzz_refundsUnclaimedOnly(uint128 claimed, uint128 requested) public {
        claimed = uint128(bound(claimed, 0, 99));
        requested = uint128(bound(requested, 1, 200));
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        if (claimed > 0) claimAs(RECEIVER, voucher(SIGNER_KEY, config, claimed, claimed));
        uint128 expected = requested > 100 - claimed ? 100 - claimed : requested;

        vm.expectEmit(address(escrow));
        emit IChannelEscrow.Refunded(idOf(config), RECEIVER, expected);
        vm.prank(RECEIVER);
        escrow.refund(config, requested);
        assertChannel(config, 100 - expected, claimed);
        assertEq(token.balanceOf(payer), expected);
        escrow.settle(RECEIVER, address(token));
        assertEq(token.balanceOf(RECEIVER), claimed);
    }

    function test_fullRefundClosesAndDepositReopens() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.ChannelClosed(idOf(config), config);
        vm.prank(authorizer);
        escrow.refund(config, 100);
        bytes memory data = eip3009Data(PAYER_KEY, config, 50, 2);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.ChannelCreated(idOf(config), config);
        escrow.deposit(config, 50, address(eip3009), data);
        assertChannel(config, 50, 0);
    }

    function test_payerCannotRefundItself() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.NotReceiverSide.selector, payer, RECEIVER, authorizer));
        vm.prank(payer);
        escrow.refund(config, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.ZeroAmount.selector));
        vm.prank(RECEIVER);
        escrow.refund(config, 0);
    }

    function test_signedRefundCountsOnce() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        bytes memory signature = sign(AUTHORIZER_KEY, escrow.getRefundDigest(idOf(config), 0, 30));
        vm.prank(stranger);
        escrow.refundWithSignature(config, 30, 0, signature);
        assertEq(token.balanceOf(payer), 30);
        assertEq(escrow.refundNonce(idOf(config)), 1);

        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.InvalidRefundNonce.selector, 0, 1));
        escrow.refundWithSignature(config, 30, 0, signature);
        bytes32 next = escrow.getRefundDigest(idOf(config), 1, 30);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.InvalidAuthorizerSignature.selector, next, authorizer));
        escrow.refundWithSignature(config, 30, 1, signature);
        assertChannel(config, 70, 0);
    }

    function test_directRefundInvalidatesSignedOneEvenWhenNothingIsLeft() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        claimAs(RECEIVER, voucher(SIGNER_KEY, config, 100, 100));
        bytes memory signature = sign(AUTHORIZER_KEY, escrow.getRefundDigest(idOf(config), 0, 30));
        vm.prank(RECEIVER);
        escrow.refund(config, 1);
        assertEq(token.balanceOf(payer), 0);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.InvalidRefundNonce.selector, 0, 1));
        escrow.refundWithSignature(config, 30, 0, signature);
    }

    // ------------------------------------------------------------------------------------------------ withdraw

    function testFuzz_payerWithdrawsAfterDelay(uint40 early, uint128 amount) public {
        early = uint40(bound(early, 1, DELAY));
        amount = uint128(bound(amount, 1, 100));
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.WithdrawInitiated(idOf(config), amount, uint40(START) + DELAY);
        vm.prank(payer);
        escrow.initiateWithdraw(config, amount);
        assertPending(config, amount, START);

        vm.warp(START + DELAY - early);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.WithdrawDelayNotElapsed.selector, START + DELAY - early, START + DELAY
            )
        );
        vm.prank(payer);
        escrow.finalizeWithdraw(config);

        vm.warp(START + DELAY);
        vm.expectEmit(address(escrow));
        emit IChannelEscrow.WithdrawFinalized(idOf(config), signer, amount);
        vm.prank(signer);
        escrow.finalizeWithdraw(config);
        assertEq(token.balanceOf(payer), amount);
        assertChannel(config, 100 - amount, 0);
        assertPending(config, 0, 0);
    }

    function test_claimDuringDelayComesFirst() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.prank(payer);
        escrow.initiateWithdraw(config, 100);
        claimAs(RECEIVER, voucher(SIGNER_KEY, config, 70, 70));
        vm.warp(START + DELAY);
        vm.prank(payer);
        escrow.finalizeWithdraw(config);
        assertEq(token.balanceOf(payer), 30);
        escrow.settle(RECEIVER, address(token));
        assertEq(token.balanceOf(RECEIVER), 70);
    }

    function test_refusesWithdrawalsOutOfTurn() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.NotPayerSide.selector, RECEIVER, payer, signer));
        vm.prank(RECEIVER);
        escrow.initiateWithdraw(config, 1);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.WithdrawalNotPending.selector, idOf(config)));
        vm.prank(payer);
        escrow.finalizeWithdraw(config);
        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrow.WithdrawExceedsAvailable.selector, uint128(101), uint128(100))
        );
        vm.prank(payer);
        escrow.initiateWithdraw(config, 101);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.ZeroAmount.selector));
        vm.prank(payer);
        escrow.initiateWithdraw(config, 0);

        vm.prank(signer);
        escrow.initiateWithdraw(config, 40);
        vm.expectRevert(
            abi.encodeWithSelector(
                IChannelEscrow.WithdrawalAlreadyPending.selector, idOf(config), uint128(40), uint40(START)
            )
        );
        vm.prank(payer);
        escrow.initiateWithdraw(config, 1);
        vm.warp(START + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.NotPayerSide.selector, stranger, payer, signer));
        vm.prank(stranger);
        escrow.finalizeWithdraw(config);
    }

    function test_refundReducesOrCancelsPendingWithdrawal() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        fund(config, 100);
        vm.prank(payer);
        escrow.initiateWithdraw(config, 60);
        vm.prank(RECEIVER);
        escrow.refund(config, 20);
        assertPending(config, 40, START);
        vm.prank(RECEIVER);
        escrow.refund(config, 40);
        assertPending(config, 0, 0);
        assertChannel(config, 40, 0);
    }
}
