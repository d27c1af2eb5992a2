// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {EscrowFixture} from "./EscrowFixture.sol";
import {MiniTest} from "./MiniTest.sol";

/// @notice Everything anybody can do to four channels of one payer with two receivers, honest and not.
/// It keeps its own books of what was deposited, promised and paid back.
contract Market is EscrowFixture {
    uint256 public constant CHANNELS = 4;

    uint256 public deposited;
    uint256 public withdrawn;
    mapping(uint256 index => uint128) public promised;
    mapping(uint256 index => IChannelEscrow.VoucherClaim) private oldVoucher;

    constructor() {
        deploy();
    }

    function config(uint256 index) public view returns (IChannelEscrow.ChannelConfig memory result) {
        result = channel(index % CHANNELS);
        result.receiver = receiver(index);
    }

    function receiver(uint256 index) public pure returns (address) {
        return address(uint160(0xBEEF00) + uint160(index % 2));
    }

    function channelOf(uint256 index) public view returns (uint256 balance, uint256 claimed) {
        return escrow.channels(idOf(config(index)));
    }

    function receiverOf(uint256 index) public view returns (uint256 claimed, uint256 settled, uint256 received) {
        (claimed, settled) = escrow.receivers(receiver(index), address(token));
        received = token.balanceOf(receiver(index));
    }

    function held() public view returns (uint256) {
        return token.balanceOf(address(escrow));
    }

    // ------------------------------------------------------------------------------------------------- honest

    function deposit(uint256 index, uint96 amount) external {
        amount = uint96(bound(amount, 1, 1e24));
        fund(config(index), amount);
        deposited += amount;
    }

    function claim(uint256 index, uint128 ceiling, uint128 total, bool signedBatch) external {
        (uint256 balance,) = channelOf(index);
        if (balance == 0) return;
        ceiling = uint128(bound(ceiling, 1, balance * 2));
        total = uint128(bound(total, 0, ceiling < balance ? ceiling : balance));
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config(index), ceiling, total);
        if (ceiling > promised[index % CHANNELS]) promised[index % CHANNELS] = ceiling;
        if (oldVoucher[index % CHANNELS].signature.length == 0) oldVoucher[index % CHANNELS] = row;
        if (signedBatch) {
            escrow.claimWithSignature(one(row), sign(AUTHORIZER_KEY, escrow.getClaimBatchDigest(one(row))));
        } else {
            claimAs(receiver(index), row);
        }
    }

    function settle(uint256 index) external {
        escrow.settle(receiver(index), address(token));
    }

    function refund(uint256 index, uint128 amount, bool signed) external {
        amount = uint128(bound(amount, 1, 1e24));
        uint256 before = token.balanceOf(payer);
        if (signed) {
            bytes32 id = idOf(config(index));
            uint256 nonce = escrow.refundNonce(id);
            bytes memory signature = sign(AUTHORIZER_KEY, escrow.getRefundDigest(id, nonce, amount));
            escrow.refundWithSignature(config(index), amount, nonce, signature);
        } else {
            vm.prank(receiver(index));
            escrow.refund(config(index), amount);
        }
        withdrawn += token.balanceOf(payer) - before;
    }

    function initiateWithdraw(uint256 index, uint128 amount) external {
        (uint256 balance, uint256 claimed) = channelOf(index);
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(idOf(config(index)));
        if (balance == claimed || initiatedAt != 0) return;
        vm.prank(payer);
        escrow.initiateWithdraw(config(index), uint128(bound(amount, 1, balance - claimed)));
    }

    function finalizeWithdraw(uint256 index) external {
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(idOf(config(index)));
        if (initiatedAt == 0) return;
        vm.warp(uint256(initiatedAt) + DELAY);
        uint256 before = token.balanceOf(payer);
        vm.prank(payer);
        escrow.finalizeWithdraw(config(index));
        withdrawn += token.balanceOf(payer) - before;
    }

    // ------------------------------------------------------------------------------------------------ dishonest

    function replay(uint256 index) external {
        IChannelEscrow.VoucherClaim memory row = oldVoucher[index % CHANNELS];
        if (row.signature.length == 0) return;
        vm.prank(receiver(index));
        try escrow.claim(one(row)) {} catch {}
    }

    function claimWithoutSignature(uint256 index, uint128 total, uint256 key) external {
        (uint256 balance, uint256 claimed) = channelOf(index);
        if (balance == claimed) return;
        key = bound(key, 1, type(uint128).max);
        if (key == SIGNER_KEY) return;
        total = uint128(bound(total, claimed + 1, balance));
        IChannelEscrow.VoucherClaim memory row = voucher(key, config(index), total, total);
        vm.prank(receiver(index));
        try escrow.claim(one(row)) {
            revert("claimed on a stranger's signature");
        } catch {}
    }

    function claimTooMuch(uint256 index, uint128 over) external {
        (uint256 balance,) = channelOf(index);
        over = uint128(bound(over, 1, 1e24));
        uint128 total = uint128(balance) + over;
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config(index), total, total);
        vm.prank(receiver(index));
        try escrow.claim(one(row)) {
            revert("claimed more than the balance");
        } catch {}
    }
}

contract ChannelEscrowInvariants is MiniTest {
    Market private market;

    function setUp() public {
        market = new Market();
        targetContract(address(market));
    }

    function invariant_claimedIsAtMostBalance() public view {
        for (uint256 i; i < market.CHANNELS(); ++i) {
            (uint256 balance, uint256 claimed) = market.channelOf(i);
            assertLe(claimed, balance);
        }
    }

    function invariant_tokensHeldAreBalancesMinusSettled() public view {
        uint256 balances;
        for (uint256 i; i < market.CHANNELS(); ++i) {
            (uint256 balance,) = market.channelOf(i);
            balances += balance;
        }
        (, uint256 settledEven,) = market.receiverOf(0);
        (, uint256 settledOdd,) = market.receiverOf(1);
        assertEq(market.held(), balances - settledEven - settledOdd);
    }

    function invariant_receiverNeverGetsMoreThanTheHighestVouchers() public view {
        for (uint256 i; i < 2; ++i) {
            (uint256 claimed, uint256 settled, uint256 received) = market.receiverOf(i);
            assertEq(received, settled);
            assertLe(settled, claimed);
            assertLe(claimed, uint256(market.promised(i)) + market.promised(i + 2));
            (, uint256 first) = market.channelOf(i);
            (, uint256 second) = market.channelOf(i + 2);
            assertLe(first, market.promised(i));
            assertEq(claimed, first + second);
        }
    }

    function invariant_nothingIsLostOrMade() public view {
        (,, uint256 even) = market.receiverOf(0);
        (,, uint256 odd) = market.receiverOf(1);
        assertEq(market.deposited(), market.held() + market.withdrawn() + even + odd);
    }
}
