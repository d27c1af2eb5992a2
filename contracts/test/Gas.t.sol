// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ListingRegistry} from "../src/ListingRegistry.sol";
import {Records} from "../src/Records.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IListingRegistry} from "../src/interfaces/IListingRegistry.sol";
import {EscrowFixture} from "./EscrowFixture.sol";

/// @notice What each act costs as a transaction of its own: call data and the base fee are in the figure
/// @dev The figures are compared with snapshots/gas.json; `FORGE_SNAPSHOT_EMIT=true` writes them anew
/// forge-config: default.isolate = true
contract GasTest is EscrowFixture {
    function setUp() public {
        deploy();
    }

    bytes32 private constant SALT = keccak256("salt");
    bytes32 private constant MANIFEST = keccak256("document");

    /// @dev Records the last call and returns what it cost
    function spent(string memory name) private returns (uint256) {
        vm.snapshotGasLastCall("gas", name);
        return vm.lastCallGas().gasTotalUsed;
    }

    function test_listing() public {
        ListingRegistry registry = new ListingRegistry();
        address seller = vm.addr(PAYER_KEY);
        bytes32 id = registry.listingIdOf(seller, SALT);

        vm.prank(seller);
        registry.post(SALT, MANIFEST, address(token), 100, 1, "");
        assertLe(spent("listing post, new"), 52_000);
        vm.prank(seller);
        registry.post(SALT, keccak256("second document"), address(token), 100, 1, "");
        assertLe(spent("listing post, update"), 34_000);
        vm.prank(seller);
        registry.setStatus(id, IListingRegistry.Status.Paused);
        assertLe(spent("listing status"), 31_000);
        vm.prank(seller);
        registry.bindPeer(keccak256("peer"), abi.encode(keccak256("r"), keccak256("s")));
        spent("bind peer");
    }

    function test_record() public {
        Records records = new Records();
        records.record(keccak256("root"), 1000);
        assertLe(spent("record, any number"), 25_000);
    }

    function test_deposit() public {
        token.mint(payer, 1e9);
        token.mint(address(escrow), 1);
        bytes memory data = eip3009Data(PAYER_KEY, channel(0), 1e6, uint256(keccak256("1")));
        escrow.deposit(channel(0), 1e6, address(eip3009), data);
        assertLe(spent("deposit EIP-3009, new channel"), 160_000);
        data = eip3009Data(PAYER_KEY, channel(0), 1e6, uint256(keccak256("2")));
        escrow.deposit(channel(0), 1e6, address(eip3009), data);
        spent("deposit EIP-3009, top up");

        vm.prank(payer);
        token.approve(address(allowance), type(uint256).max);
        data = allowanceData(PAYER_KEY, channel(0), 1e6, keccak256("3"), START);
        escrow.deposit(channel(0), 1e6, address(allowance), data);
        spent("deposit allowance, top up");
    }

    function claimMany(uint256 count, uint128 total) private {
        IChannelEscrow.VoucherClaim[] memory rows = new IChannelEscrow.VoucherClaim[](count);
        for (uint256 i; i < count; ++i) {
            rows[i] = voucher(SIGNER_KEY, channel(i), total, total);
        }
        vm.prank(RECEIVER);
        escrow.claim(rows);
    }

    function fundMany(uint256 count) private {
        for (uint256 i; i < count; ++i) {
            fund(channel(i), 1e6);
        }
        // A receiver that was never paid before costs one more slot, once; that is not the voucher's price.
        fund(channel(count), 1e6);
        claimAs(RECEIVER, voucher(SIGNER_KEY, channel(count), 1, 1));
    }

    function test_claim1() public {
        fundMany(1);
        claimMany(1, 1000);
        spent("claim, 1 voucher");
    }

    function test_claim100() public {
        fundMany(100);
        claimMany(100, 1000);
        assertLe(spent("claim, 100 vouchers"), 100 * 22_000);
    }

    function test_payout() public {
        fund(channel(0), 1e6);
        token.mint(RECEIVER, 1);
        claimMany(1, 1000);
        escrow.settle(RECEIVER, address(token));
        spent("settle");
        vm.prank(RECEIVER);
        escrow.refund(channel(0), 1000);
        spent("refund");
        vm.prank(payer);
        escrow.initiateWithdraw(channel(0), 1000);
        spent("initiate withdrawal");
        vm.warp(START + DELAY);
        vm.prank(payer);
        escrow.finalizeWithdraw(channel(0));
        spent("finalize withdrawal");
    }
}
