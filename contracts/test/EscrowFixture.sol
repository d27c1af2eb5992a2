// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ChannelEscrow} from "../src/ChannelEscrow.sol";
import {AllowanceCollector} from "../src/collectors/AllowanceCollector.sol";
import {Eip3009Collector} from "../src/collectors/Eip3009Collector.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {TestToken} from "../src/test-token/TestToken.sol";
import {MiniTest} from "./MiniTest.sol";

/// @notice An escrow with both collectors and a token, and the signatures of everybody who takes part
abstract contract EscrowFixture is MiniTest {
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant SIGNER_KEY = 0x516;
    uint256 internal constant AUTHORIZER_KEY = 0xA07;
    uint256 internal constant STRANGER_KEY = 0xBAD;
    address internal constant RECEIVER = address(0xBEEF);
    uint40 internal constant DELAY = 1 hours;
    uint256 internal constant START = 1_800_000_000;
    uint256 internal constant FOREVER = type(uint64).max;

    address internal payer = vm.addr(PAYER_KEY);
    address internal signer = vm.addr(SIGNER_KEY);
    address internal authorizer = vm.addr(AUTHORIZER_KEY);
    address internal stranger = vm.addr(STRANGER_KEY);

    ChannelEscrow internal escrow;
    TestToken internal token;
    Eip3009Collector internal eip3009;
    AllowanceCollector internal allowance;
    uint256 private nonces;

    function deploy() internal {
        vm.warp(START);
        escrow = new ChannelEscrow();
        token = new TestToken();
        eip3009 = new Eip3009Collector(address(escrow));
        allowance = new AllowanceCollector(address(escrow));
    }

    function channel(uint256 salt) internal view returns (IChannelEscrow.ChannelConfig memory) {
        return IChannelEscrow.ChannelConfig(payer, signer, RECEIVER, authorizer, address(token), DELAY, bytes32(salt));
    }

    function idOf(IChannelEscrow.ChannelConfig memory config) internal view returns (bytes32) {
        return escrow.getChannelId(config);
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    // ------------------------------------------------------------------------------------------------ deposits

    /// @dev What a payer signs for the EIP-3009 collector, written out here once more, apart from the token's code
    function eip3009Data(
        uint256 key,
        IChannelEscrow.ChannelConfig memory config,
        uint256 amount,
        uint256 salt
    ) internal view returns (bytes memory) {
        bytes32 nonce = keccak256(abi.encode(idOf(config), salt));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                vm.addr(key),
                address(eip3009),
                amount,
                0,
                FOREVER,
                nonce
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        return abi.encode(0, FOREVER, salt, sign(key, digest));
    }

    function allowanceData(
        uint256 key,
        IChannelEscrow.ChannelConfig memory config,
        uint256 amount,
        bytes32 nonce,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 digest = allowance.getDepositDigest(config.token, amount, idOf(config), nonce, deadline);
        return abi.encode(nonce, deadline, sign(key, digest));
    }

    function fund(IChannelEscrow.ChannelConfig memory config, uint128 amount) internal {
        token.mint(config.payer, amount);
        bytes memory data = eip3009Data(PAYER_KEY, config, amount, ++nonces);
        escrow.deposit(config, amount, address(eip3009), data);
    }

    // ------------------------------------------------------------------------------------------------ vouchers

    function voucher(
        uint256 key,
        IChannelEscrow.ChannelConfig memory config,
        uint128 ceiling,
        uint128 total
    ) internal view returns (IChannelEscrow.VoucherClaim memory) {
        bytes32 digest = escrow.getVoucherDigest(idOf(config), ceiling);
        return IChannelEscrow.VoucherClaim(IChannelEscrow.Voucher(config, ceiling), sign(key, digest), total);
    }

    function one(
        IChannelEscrow.VoucherClaim memory row
    ) internal pure returns (IChannelEscrow.VoucherClaim[] memory rows) {
        rows = new IChannelEscrow.VoucherClaim[](1);
        rows[0] = row;
    }

    function claimAs(address sender, IChannelEscrow.VoucherClaim memory row) internal {
        vm.prank(sender);
        escrow.claim(one(row));
    }

    // -------------------------------------------------------------------------------------------------- checks

    function assertChannel(IChannelEscrow.ChannelConfig memory config, uint256 balance, uint256 claimed) internal view {
        (uint128 actualBalance, uint128 actualClaimed) = escrow.channels(idOf(config));
        assertEq(actualBalance, balance);
        assertEq(actualClaimed, claimed);
    }

    function assertPending(
        IChannelEscrow.ChannelConfig memory config,
        uint256 amount,
        uint256 initiatedAt
    ) internal view {
        (uint128 actualAmount, uint40 actualInitiatedAt) = escrow.pendingWithdrawals(idOf(config));
        assertEq(actualAmount, amount);
        assertEq(actualInitiatedAt, initiatedAt);
    }
}
