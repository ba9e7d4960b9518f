using System.Runtime.CompilerServices;
using k8s;
using k8s.Models;
using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>
/// Every folder of Golden is a case: <c>slices.yaml</c>, and <c>expected.txt</c> with the destination's address, then one line per endpoint
/// (its key and address, or just the address if it is both), or the reason why there is none.
/// </summary>
public sealed class EndpointSlicesTests
{
    private static readonly string Golden = Path.Combine(Path.GetDirectoryName(SourceFile())!, "Golden");

    public static TheoryData<string> Cases => [.. Directory.GetDirectories(Golden).Select(d => Path.GetFileName(d)).Order()];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Slices_OfACase_GiveTheExpectedEndpoints(string folder)
    {
        var slices = KubernetesYaml.LoadAllFromString(File.ReadAllText(Path.Combine(Golden, folder, "slices.yaml"))).Cast<V1EndpointSlice>().ToList();
        var expected = File.ReadAllLines(Path.Combine(Golden, folder, "expected.txt"));

        Assert.Equal(expected[1..].Order(), Read(slices, ((KubernetesAddress)DestinationAddress.Parse(expected[0])).Port).Order());
    }

    private static IEnumerable<string> Read(List<V1EndpointSlice> slices, string port)
    {
        try
        {
            return EndpointSlices.ToEndpoints(slices, port).Select(e => e.Key == e.Address.ToString() ? e.Key : $"{e.Key} {e.Address}");
        }
        catch (FormatException mistake)
        {
            return [mistake.Message];
        }
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
