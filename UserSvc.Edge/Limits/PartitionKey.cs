using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Limits;

/// <summary>What a limit counts requests by. Small whatever the client sends: a header's value is kept as a hash, which no client can predict.</summary>
internal readonly record struct PartitionKey(PartitionKey.Kind Of, ulong Value = 0)
{
    public enum Kind
    {
        /// <summary>Not counted.</summary>
        Exempt,

        Address,

        Header,

        /// <summary>All requests, or those for which there was no partition left.</summary>
        Shared,
    }

    public static PartitionKey ForClient(HttpContext context, TrustedProxies proxies) =>
        proxies.ClientKey(context.Connection.RemoteIpAddress) is { } client ? new(Kind.Address, client) : default;

    public static PartitionKey ForHeader(HttpContext context, string name, TrustedProxies proxies) => context.Request.Headers.TryGetValue(name, out var value)
        ? new(Kind.Header, (uint)value.ToString().GetHashCode(StringComparison.Ordinal))
        : ForClient(context, proxies);
}
