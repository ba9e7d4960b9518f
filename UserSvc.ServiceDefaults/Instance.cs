using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

/// <summary>Section <c>Instance</c>: how this process identifies itself.</summary>
public sealed class InstanceOptions
{
    internal const string Section = "Instance";

    /// <summary>The instance's name in answers. Default: the host name, which in Kubernetes is the pod's name.</summary>
    public string? Name { get; set; }

    /// <summary>The instance's address in answers. Default: what the host name resolves to, preferably IPv4.</summary>
    public string? Address { get; set; }
}

/// <summary>This instance's identity: <c>hostname</c> and <c>resolvedname</c> of every answer.</summary>
public sealed class Instance(IOptions<InstanceOptions> options)
{
    public string Name { get; } = options.Value.Name ?? Environment.MachineName;

    public string Address { get; } = options.Value.Address ?? Resolve(Environment.MachineName);

    private static string Resolve(string host)
    {
        try
        {
            var addresses = Dns.GetHostAddresses(host);
            return (addresses.FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork) ?? addresses.First()).ToString();
        }
        catch (SocketException)
        {
            // On a laptop whose host name does not resolve, the service still runs, on loopback.
            return IPAddress.Loopback.ToString();
        }
    }
}
