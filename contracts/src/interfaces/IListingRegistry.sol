// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The index of what is for sale: who published which listing document, and is it still on offer
/// @notice One storage slot per listing answers "is this listing live, and which version"; everything a buyer's index
/// needs to show it is in the event. There is no owner, no fee and no upgrade.
interface IListingRegistry {
    /// @dev None marks an id that was never posted. Retired is final.
    enum Status {
        None,
        Active,
        Paused,
        Retired
    }

    /// @notice A listing was posted (version 1) or replaced (higher versions)
    /// @param listingId `keccak256(abi.encode(seller, salt))`
    /// @param seller The account that posted it; only this account can post to this id again
    /// @param version Counts up by one per post
    /// @param manifest sha2-256 digest of the listing document's block (the digest inside its CID)
    /// @param token ERC-20 in which the price is stated; zero for a free listing
    /// @param unitPrice Price of one unit in the token's atomic units
    /// @param unit What one unit is; the codes belong to the listing document's specification, not to this contract
    /// @param terms Opaque to this contract, at most `MAX_TERMS_BYTES`
    event ListingPut(
        bytes32 indexed listingId,
        address indexed seller,
        uint32 version,
        bytes32 manifest,
        address token,
        uint128 unitPrice,
        uint8 unit,
        bytes terms
    );

    /// @notice The seller paused, resumed or retired a listing; its version does not change
    event ListingStatus(bytes32 indexed listingId, address indexed seller, uint32 version, Status status);

    /// @notice A wallet named its peer key. Readers check `proof` themselves: Ed25519 is too dear to verify here
    /// @param seller The wallet
    /// @param peerKey Raw Ed25519 public key of the libp2p peer; zero when the wallet names none any more
    /// @param proof 64-byte Ed25519 signature by `peerKey` over the 32 bytes of `peerBindingDigest(seller, peerKey)`
    event PeerBound(address indexed seller, bytes32 indexed peerKey, bytes proof);

    /// @notice Only the seller of a listing changes its status
    error NotSeller(bytes32 listingId, address caller, address seller);
    /// @notice Nothing was ever posted under this id
    error UnknownListing(bytes32 listingId);
    /// @notice A retired listing takes no further version or status
    error ListingRetired(bytes32 listingId, uint32 version);
    /// @notice `None` is not a status that can be set
    error InvalidStatus(Status status);
    /// @notice `terms` is longer than every index agreed to read
    error TermsTooLong(uint256 length, uint256 maximum);
    /// @notice A binding carries one Ed25519 signature, an unbinding (key zero) carries none
    error InvalidProofLength(uint256 length, uint256 expected);

    /// @notice Publishes a listing or its next version. A new one starts active; a paused one stays paused
    /// @param salt Chosen by the seller; one salt is one listing
    /// @return listingId See `listingIdOf`
    function post(
        bytes32 salt,
        bytes32 manifest,
        address token,
        uint128 unitPrice,
        uint8 unit,
        bytes calldata terms
    ) external returns (bytes32 listingId);

    /// @notice Pauses, resumes or retires a listing of the caller
    function setStatus(bytes32 listingId, Status status) external;

    /// @notice Makes the caller's wallet vouch for a peer key; the proof makes the peer vouch for the wallet
    /// @param ed25519Key Raw public key, or zero (with an empty proof) to withdraw the binding
    function bindPeer(bytes32 ed25519Key, bytes calldata proof) external;

    /// @notice The state of a listing; all zero if it was never posted
    function listings(bytes32 listingId)
        external
        view
        returns (address seller, uint32 version, uint40 updatedAt, Status status);

    /// @notice The peer key the wallet bound last; zero if none. It counts only together with a checked proof
    function peerKeys(address seller) external view returns (bytes32 ed25519Key);

    /// @notice `keccak256(abi.encode(seller, salt))`
    function listingIdOf(address seller, bytes32 salt) external pure returns (bytes32 listingId);

    /// @notice What the peer key signs:
    /// `keccak256(abi.encode(keccak256("DDM PeerBinding"), chainId, registry, seller, ed25519Key))`
    function peerBindingDigest(address seller, bytes32 ed25519Key) external view returns (bytes32 digest);

    /// @notice Longest `terms` that `post` takes, in bytes
    function MAX_TERMS_BYTES() external view returns (uint256);
}
