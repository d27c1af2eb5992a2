// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IListingRegistry} from "./interfaces/IListingRegistry.sol";

/// @title ListingRegistry
/// @notice See {IListingRegistry}
contract ListingRegistry is IListingRegistry {
    /// @dev 240 bits: one slot, so an update is one warm write and one event
    struct Listing {
        address seller;
        uint32 version;
        uint40 updatedAt;
        Status status;
    }

    bytes32 private constant PEER_BINDING = keccak256("DDM PeerBinding");
    uint256 private constant ED25519_SIGNATURE_BYTES = 64;

    /// @inheritdoc IListingRegistry
    uint256 public constant MAX_TERMS_BYTES = 1024;

    /// @inheritdoc IListingRegistry
    mapping(bytes32 listingId => Listing) public listings;

    /// @inheritdoc IListingRegistry
    mapping(address seller => bytes32 ed25519Key) public peerKeys;

    /// @inheritdoc IListingRegistry
    function post(
        bytes32 salt,
        bytes32 manifest,
        address token,
        uint128 unitPrice,
        uint8 unit,
        bytes calldata terms
    ) external returns (bytes32 listingId) {
        if (terms.length > MAX_TERMS_BYTES) revert TermsTooLong(terms.length, MAX_TERMS_BYTES);

        // The id contains the caller, so nobody can reach another seller's slot.
        listingId = listingIdOf(msg.sender, salt);
        Listing storage listing = listings[listingId];
        (uint32 version, Status status) = (listing.version, listing.status);
        if (status == Status.Retired) revert ListingRetired(listingId, version);
        if (status == Status.None) status = Status.Active;
        version += 1;
        listings[listingId] = Listing(msg.sender, version, uint40(block.timestamp), status);

        emit ListingPut(listingId, msg.sender, version, manifest, token, unitPrice, unit, terms);
    }

    /// @inheritdoc IListingRegistry
    function setStatus(bytes32 listingId, Status status) external {
        if (status == Status.None) revert InvalidStatus(status);
        Listing memory listing = listings[listingId];
        if (listing.status == Status.None) revert UnknownListing(listingId);
        if (listing.seller != msg.sender) revert NotSeller(listingId, msg.sender, listing.seller);
        if (listing.status == Status.Retired) revert ListingRetired(listingId, listing.version);

        listing.status = status;
        listing.updatedAt = uint40(block.timestamp);
        listings[listingId] = listing;

        emit ListingStatus(listingId, msg.sender, listing.version, status);
    }

    /// @inheritdoc IListingRegistry
    function bindPeer(bytes32 ed25519Key, bytes calldata proof) external {
        uint256 expected = ed25519Key == 0 ? 0 : ED25519_SIGNATURE_BYTES;
        if (proof.length != expected) revert InvalidProofLength(proof.length, expected);

        peerKeys[msg.sender] = ed25519Key;

        emit PeerBound(msg.sender, ed25519Key, proof);
    }

    /// @inheritdoc IListingRegistry
    function listingIdOf(address seller, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(seller, salt));
    }

    /// @inheritdoc IListingRegistry
    function peerBindingDigest(address seller, bytes32 ed25519Key) external view returns (bytes32) {
        return keccak256(abi.encode(PEER_BINDING, block.chainid, address(this), seller, ed25519Key));
    }
}
