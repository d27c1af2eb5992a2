// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IDepositCollector} from "../src/interfaces/IDepositCollector.sol";
import {EscrowFixture} from "./EscrowFixture.sol";

/// @dev Keeps one percent of every transfer
contract FeeToken is ERC20("Fee", "FEE") {
    function mint(address to, uint256 value) external {
        _mint(to, value);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0)) return super._update(from, to, value);
        super._update(from, to, value - value / 100);
        super._update(from, address(0xFEE), value / 100);
    }
}

/// @dev Calls back whenever it moves, and remembers how that ended
contract ReentrantToken is ERC20("Reentrant", "RE") {
    address public target;
    bytes public attack;
    uint256 public attempts;
    bytes public answer;

    function mint(address to, uint256 value) external {
        _mint(to, value);
    }

    function arm(address target_, bytes calldata attack_) external {
        target = target_;
        attack = attack_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0)) return;
        (bool success, bytes memory result) = target.call(attack);
        require(!success, "the escrow let a token back in");
        attempts += 1;
        answer = result;
    }
}

/// @dev Brings `part` percent of what it was asked for, out of its own pocket, and may call back first
contract OwnCollector is IDepositCollector {
    uint256 public part = 100;
    bytes public attack;

    function set(uint256 part_, bytes calldata attack_) external {
        part = part_;
        attack = attack_;
    }

    function collect(address, address token, uint256 amount, bytes32, bytes calldata) external {
        if (attack.length > 0) {
            (bool success, bytes memory result) = msg.sender.call(attack);
            if (!success) {
                assembly ("memory-safe") {
                    revert(add(result, 32), mload(result))
                }
            }
        }
        if (part > 0) ERC20(token).transfer(msg.sender, (amount * part) / 100);
    }
}

contract HostilePartsTest is EscrowFixture {
    function setUp() public {
        deploy();
    }

    bytes private constant REENTRANT = abi.encodePacked(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    function test_refusesTokensThatTakeAFee() public {
        FeeToken fee = new FeeToken();
        IChannelEscrow.ChannelConfig memory config = channel(0);
        config.token = address(fee);
        fee.mint(payer, 1000);
        vm.prank(payer);
        fee.approve(address(allowance), 1000);
        bytes memory data = allowanceData(PAYER_KEY, config, 1000, 0, START);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.DepositNotReceived.selector, 990, 1000));
        escrow.deposit(config, 1000, address(allowance), data);
        assertEq(fee.balanceOf(payer), 1000);
    }

    function test_tokenCannotReenter() public {
        ReentrantToken reentrant = new ReentrantToken();
        IChannelEscrow.ChannelConfig memory config = channel(0);
        config.token = address(reentrant);
        reentrant.mint(payer, 1000);
        vm.prank(payer);
        reentrant.approve(address(allowance), 1000);

        // The token itself is on the receiving side here, so only the lock can stop it.
        config.receiver = address(reentrant);
        config.receiverAuthorizer = address(reentrant);
        IChannelEscrow.VoucherClaim memory row = voucher(SIGNER_KEY, config, 100, 100);
        bytes[4] memory attacks = [
            abi.encodeCall(IChannelEscrow.settle, (config.receiver, config.token)),
            abi.encodeCall(IChannelEscrow.refund, (config, 10)),
            abi.encodeCall(IChannelEscrow.claim, (one(row))),
            abi.encodeCall(IChannelEscrow.deposit, (config, 10, address(allowance), ""))
        ];
        for (uint256 i; i < attacks.length; ++i) {
            reentrant.arm(address(escrow), attacks[i]);
            bytes memory data = allowanceData(PAYER_KEY, config, 100, bytes32(i), START);
            escrow.deposit(config, 100, address(allowance), data);
            assertEq(keccak256(reentrant.answer()), keccak256(REENTRANT));
        }
        reentrant.arm(address(0), "");
        claimAs(address(reentrant), row);
        for (uint256 i; i < 2; ++i) {
            reentrant.arm(address(escrow), attacks[i]);
            if (i == 0) {
                escrow.settle(config.receiver, config.token);
            } else {
                vm.prank(address(reentrant));
                escrow.refund(config, 100);
            }
            assertEq(keccak256(reentrant.answer()), keccak256(REENTRANT));
        }
        assertEq(reentrant.attempts(), 6);
        assertEq(reentrant.balanceOf(address(escrow)), 200);
        assertChannel(config, 300, 100);
    }

    function testFuzz_collectorMustBringExactlyTheAmount(uint256 part) public {
        part = bound(part, 0, 200);
        vm.assume(part != 100);
        OwnCollector own = new OwnCollector();
        token.mint(address(own), 1000);
        own.set(part, "");
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrow.DepositNotReceived.selector, part, 100));
        escrow.deposit(channel(0), 100, address(own), "");
        own.set(100, "");
        escrow.deposit(channel(0), 100, address(own), "");
        assertChannel(channel(0), 100, 0);
    }

    /// @dev One transfer must not be credited twice: once inside the collector's call and once after it
    function test_collectorCannotCountOneTransferTwice() public {
        OwnCollector own = new OwnCollector();
        OwnCollector inner = new OwnCollector();
        token.mint(address(own), 1000);
        token.mint(address(inner), 1000);
        own.set(0, abi.encodeCall(IChannelEscrow.deposit, (channel(1), 100, address(inner), "")));
        vm.expectRevert(REENTRANT);
        escrow.deposit(channel(0), 100, address(own), "");
    }
}
