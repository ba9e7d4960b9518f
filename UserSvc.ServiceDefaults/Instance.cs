using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

/// <summary>Section <c>Instance</c>: who this process says it is.</summary>
public sealed class InstanceOptions
{
    internal const string Section = "Instance";

    /// <summary>The instance's name in answers. Default: the machine's host name, which in Kubernetes is the pod's name.</summary>
    public string? Name { get; set; }

    /// <summary>The address in answers. Default: what the machine's host name resolves to, IPv4 first.</summary>
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
            // A laptop whose own name does not resolve still runs the service, on loopback.
            return IPAddress.Loopback.ToString();
        }
    }
}
