// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AllowanceCollector} from "../src/collectors/AllowanceCollector.sol";
import {Eip3009Collector} from "../src/collectors/Eip3009Collector.sol";
import {EscrowOnly} from "../src/collectors/EscrowOnly.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {TestToken} from "../src/test-token/TestToken.sol";
import {EscrowFixture} from "./EscrowFixture.sol";

/// @notice `payer` is the victim: it approved the allowance collector without limit and signs deposits into channel(0)
contract DepositCollectorsTest is EscrowFixture {
    function setUp() public {
        deploy();
        token.mint(payer, 1000);
        vm.prank(payer);
        token.approve(address(allowance), type(uint256).max);
    }

    /// @dev The victim is the payer, everything else belongs to the stranger
    function strangersChannel() private view returns (IChannelEscrow.ChannelConfig memory) {
        return IChannelEscrow.ChannelConfig(payer, stranger, stranger, stranger, address(token), DELAY, 0);
    }

    function badDeposit(
        IChannelEscrow.ChannelConfig memory config,
        uint256 amount
    ) private view returns (bytes memory) {
        return abi.encodeWithSelector(
            AllowanceCollector.InvalidDepositSignature.selector, config.payer, idOf(config), amount
        );
    }

    // ------------------------------------------------------------------------------------------------ allowance

    function testFuzz_depositsAllowance(uint128 amount, bytes32 nonce, address relayer) public {
        amount = uint128(bound(amount, 1, 1000));
        bytes memory data = allowanceData(PAYER_KEY, channel(0), amount, nonce, START);
        vm.prank(relayer);
        escrow.deposit(channel(0), amount, address(allowance), data);
        assertChannel(channel(0), amount, 0);
        assertTrue(allowance.nonceUsed(payer, nonce));
    }

    function testFuzz_strangerCannotDepositVictimsAllowance(uint128 amount, bytes32 nonce, uint256 key) public {
        amount = uint128(bound(amount, 1, 1000));
        key = bound(key, 1, type(uint128).max);
        vm.assume(key != PAYER_KEY);
        IChannelEscrow.ChannelConfig memory config = strangersChannel();
        bytes memory expected = badDeposit(config, amount);

        bytes memory own = allowanceData(key, config, amount, nonce, FOREVER);
        vm.expectRevert(expected);
        escrow.deposit(config, amount, address(allowance), own);

        // Nor with a deposit that the victim did sign, into another channel.
        bytes memory stolen = allowanceData(PAYER_KEY, channel(0), amount, nonce, FOREVER);
        vm.expectRevert(expected);
        vm.prank(stranger);
        escrow.deposit(config, amount, address(allowance), stolen);
        assertEq(token.balanceOf(payer), 1000);
    }

    function test_allowanceSignatureCoversAmountNonceDeadlineAndCollector() public {
        IChannelEscrow.ChannelConfig memory config = channel(0);
        bytes memory data = allowanceData(PAYER_KEY, config, 10, bytes32(uint256(1)), START);
        (,, bytes memory signature) = abi.decode(data, (bytes32, uint256, bytes));

        vm.expectRevert(badDeposit(config, 11));
        escrow.deposit(config, 11, address(allowance), data);
        vm.expectRevert(badDeposit(config, 10));
        escrow.deposit(config, 10, address(allowance), abi.encode(bytes32(uint256(2)), START, signature));
        vm.expectRevert(badDeposit(config, 10));
        escrow.deposit(config, 10, address(allowance), abi.encode(bytes32(uint256(1)), START + 1, signature));
        AllowanceCollector other = new AllowanceCollector(address(escrow));
        vm.expectRevert(badDeposit(config, 10));
        escrow.deposit(config, 10, address(other), data);
        assertEq(token.balanceOf(payer), 1000);
    }

    function test_allowanceDepositCountsOnceAndExpires() public {
        bytes32 nonce = bytes32(uint256(1));
        bytes memory data = allowanceData(PAYER_KEY, channel(0), 10, nonce, START);
        vm.warp(START + 1);
        vm.expectRevert(abi.encodeWithSelector(AllowanceCollector.DepositExpired.selector, START + 1, START));
        escrow.deposit(channel(0), 10, address(allowance), data);
        vm.warp(START);
        escrow.deposit(channel(0), 10, address(allowance), data);
        vm.expectRevert(abi.encodeWithSelector(AllowanceCollector.NonceUsed.selector, payer, nonce));
        escrow.deposit(channel(0), 10, address(allowance), data);
    }

    function test_payerCancelsASignedDeposit() public {
        bytes32 nonce = bytes32(uint256(1));
        bytes memory data = allowanceData(PAYER_KEY, channel(0), 10, nonce, START);
        vm.prank(stranger);
        allowance.cancelNonce(nonce);
        vm.prank(payer);
        allowance.cancelNonce(nonce);
        bytes memory used = abi.encodeWithSelector(AllowanceCollector.NonceUsed.selector, payer, nonce);
        vm.expectRevert(used);
        escrow.deposit(channel(0), 10, address(allowance), data);
        vm.expectRevert(used);
        vm.prank(payer);
        allowance.cancelNonce(nonce);
    }

    // ------------------------------------------------------------------------------------------------- EIP-3009

    function testFuzz_strangerCannotDepositVictimsAuthorization(uint128 amount, uint256 salt) public {
        amount = uint128(bound(amount, 1, 1000));
        bytes memory data = eip3009Data(PAYER_KEY, channel(0), amount, salt);
        IChannelEscrow.ChannelConfig memory config = strangersChannel();
        bytes32 nonce = keccak256(abi.encode(idOf(config), salt));
        vm.expectRevert(abi.encodeWithSelector(TestToken.InvalidAuthorizationSignature.selector, payer, nonce));
        vm.prank(stranger);
        escrow.deposit(config, amount, address(eip3009), data);

        escrow.deposit(channel(0), amount, address(eip3009), data);
        assertChannel(channel(0), amount, 0);
        assertChannel(config, 0, 0);
    }

    function test_authorizationCoversAmountAndCountsOnce() public {
        bytes memory data = eip3009Data(PAYER_KEY, channel(0), 10, 1);
        bytes32 nonce = keccak256(abi.encode(idOf(channel(0)), 1));
        vm.expectRevert(abi.encodeWithSelector(TestToken.InvalidAuthorizationSignature.selector, payer, nonce));
        escrow.deposit(channel(0), 9, address(eip3009), data);
        escrow.deposit(channel(0), 10, address(eip3009), data);
        vm.expectRevert(abi.encodeWithSelector(TestToken.AuthorizationUsedOrCanceled.selector, payer, nonce));
        escrow.deposit(channel(0), 10, address(eip3009), data);
    }

    function test_authorizationCannotBePresentedPastTheCollector() public {
        (,,, bytes memory signature) =
            abi.decode(eip3009Data(PAYER_KEY, channel(0), 10, 1), (uint256, uint256, uint256, bytes));
        bytes32 nonce = keccak256(abi.encode(idOf(channel(0)), 1));
        vm.expectRevert(abi.encodeWithSelector(TestToken.CallerNotPayee.selector, stranger, address(eip3009)));
        vm.prank(stranger);
        token.receiveWithAuthorization(payer, address(eip3009), 10, 0, FOREVER, nonce, signature);
    }

    // ----------------------------------------------------------------------------------------------- escrow only

    function testFuzz_onlyEscrowCollects(address caller) public {
        vm.assume(caller != address(escrow));
        bytes memory expected = abi.encodeWithSelector(EscrowOnly.NotEscrow.selector, caller, address(escrow));
        bytes32 id = idOf(channel(0));
        bytes memory data = eip3009Data(PAYER_KEY, channel(0), 10, 1);
        vm.expectRevert(expected);
        vm.prank(caller);
        eip3009.collect(payer, address(token), 10, id, data);

        data = allowanceData(PAYER_KEY, channel(0), 10, 0, FOREVER);
        vm.expectRevert(expected);
        vm.prank(caller);
        allowance.collect(payer, address(token), 10, id, data);
    }

    function test_collectorNeedsAnEscrow() public {
        vm.expectRevert(abi.encodeWithSelector(EscrowOnly.ZeroEscrow.selector));
        new Eip3009Collector(address(0));
    }
}
