// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ListingRegistry} from "../src/ListingRegistry.sol";
import {IListingRegistry} from "../src/interfaces/IListingRegistry.sol";
import {MiniTest} from "./MiniTest.sol";

contract ListingRegistryTest is MiniTest {
    address private constant SELLER = address(0x5E11E4);
    address private constant OTHER = address(0x07E4);
    bytes32 private constant SALT = bytes32(uint256(7));
    bytes32 private constant MANIFEST = keccak256("document");

    ListingRegistry private registry;
    bytes32 private id;

    function setUp() public {
        vm.warp(1000);
        registry = new ListingRegistry();
        id = registry.listingIdOf(SELLER, SALT);
    }

    function post(address seller) private returns (bytes32) {
        vm.prank(seller);
        return registry.post(SALT, MANIFEST, address(1), 100, 1, hex"aabb");
    }

    function setStatus(IListingRegistry.Status status) private {
        vm.prank(SELLER);
        registry.setStatus(id, status);
    }

    function assertListing(
        address seller,
        uint256 version,
        uint256 updatedAt,
        IListingRegistry.Status status
    ) private view {
        (address s, uint32 v, uint40 u, IListingRegistry.Status t) = registry.listings(id);
        assertEq(s, seller);
        assertEq(v, version);
        assertEq(u, updatedAt);
        assertEq(uint256(t), uint256(status));
    }

    function test_postsAndCountsVersions() public {
        for (uint32 version = 1; version <= 3; ++version) {
            vm.warp(1000 + version);
            vm.expectEmit(address(registry));
            emit IListingRegistry.ListingPut(id, SELLER, version, MANIFEST, address(1), 100, 1, hex"aabb");
            assertEq(post(SELLER), id);
            assertListing(SELLER, version, 1000 + version, IListingRegistry.Status.Active);
        }
    }

    function testFuzz_idIsTheHashOfSellerAndSalt(address seller, bytes32 salt) public {
        vm.prank(seller);
        bytes32 posted = registry.post(salt, MANIFEST, address(1), 100, 1, "");
        assertEq(posted, keccak256(abi.encode(seller, salt)));
    }

    function test_sameSaltOfAnotherSellerIsAnotherListing() public {
        post(SELLER);
        assertTrue(post(OTHER) != id);
        assertListing(SELLER, 1, 1000, IListingRegistry.Status.Active);
    }

    function test_statusChangesAndKeepsVersion() public {
        post(SELLER);
        vm.warp(2000);
        vm.expectEmit(address(registry));
        emit IListingRegistry.ListingStatus(id, SELLER, 1, IListingRegistry.Status.Paused);
        setStatus(IListingRegistry.Status.Paused);
        assertListing(SELLER, 1, 2000, IListingRegistry.Status.Paused);
        setStatus(IListingRegistry.Status.Active);
        assertListing(SELLER, 1, 2000, IListingRegistry.Status.Active);
    }

    function test_updateOfPausedListingStaysPaused() public {
        post(SELLER);
        setStatus(IListingRegistry.Status.Paused);
        post(SELLER);
        assertListing(SELLER, 2, 1000, IListingRegistry.Status.Paused);
    }

    function test_retiredIsFinal() public {
        post(SELLER);
        setStatus(IListingRegistry.Status.Retired);
        bytes memory retired = abi.encodeWithSelector(IListingRegistry.ListingRetired.selector, id, 1);
        for (uint8 status = 1; status <= 3; ++status) {
            vm.expectRevert(retired);
            setStatus(IListingRegistry.Status(status));
        }
        vm.expectRevert(retired);
        post(SELLER);
        assertListing(SELLER, 1, 1000, IListingRegistry.Status.Retired);
    }

    function testFuzz_onlySellerSetsStatus(address caller) public {
        vm.assume(caller != SELLER);
        post(SELLER);
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.NotSeller.selector, id, caller, SELLER));
        vm.prank(caller);
        registry.setStatus(id, IListingRegistry.Status.Retired);
    }

    function test_refusesUnknownListingAndNoneStatus() public {
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.UnknownListing.selector, id));
        setStatus(IListingRegistry.Status.Paused);
        post(SELLER);
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.InvalidStatus.selector, 0));
        setStatus(IListingRegistry.Status.None);
    }

    function test_limitsTerms() public {
        uint256 maximum = registry.MAX_TERMS_BYTES();
        registry.post(SALT, MANIFEST, address(1), 100, 1, new bytes(maximum));
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.TermsTooLong.selector, maximum + 1, maximum));
        registry.post(SALT, MANIFEST, address(1), 100, 1, new bytes(maximum + 1));
    }

    function test_bindsAndUnbindsPeer() public {
        bytes32 key = keccak256("peer");
        bytes memory proof = new bytes(64);
        vm.expectEmit(address(registry));
        emit IListingRegistry.PeerBound(SELLER, key, proof);
        vm.prank(SELLER);
        registry.bindPeer(key, proof);
        assertEq(registry.peerKeys(SELLER), key);

        vm.prank(SELLER);
        registry.bindPeer(0, "");
        assertEq(registry.peerKeys(SELLER), bytes32(0));
    }

    function test_refusesProofsOfWrongLength() public {
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.InvalidProofLength.selector, 63, 64));
        registry.bindPeer(keccak256("peer"), new bytes(63));
        vm.expectRevert(abi.encodeWithSelector(IListingRegistry.InvalidProofLength.selector, 64, 0));
        registry.bindPeer(0, new bytes(64));
    }

    function test_bindingDigestNamesChainRegistryWalletAndKey() public view {
        bytes32 key = keccak256("peer");
        bytes32 expected =
            keccak256(abi.encode(keccak256("DDM PeerBinding"), block.chainid, address(registry), SELLER, key));
        assertEq(registry.peerBindingDigest(SELLER, key), expected);
    }
}
