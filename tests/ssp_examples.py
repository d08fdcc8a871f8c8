"""System structures written by hand, as other tools write them."""

# ruff: noqa: E501 (XML is easier to read unbroken)

NAMESPACES = " ".join(
    f'xmlns:{prefix}="http://ssp-standard.org/SSP1/SystemStructure{name}"'
    for prefix, name in {
        "ssd": "Description",
        "ssc": "Common",
        "ssv": "ParameterValues",
        "ssm": "ParameterMapping",
        "ssb": "SignalDictionary",
    }.items()
)


def ssd(system: str, *, version: str = "1.0", name: str = "example", rest: str = "", more: str = "") -> str:
    """Return a document with this root system."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ssd:SystemStructureDescription {NAMESPACES} {more} version="{version}" '
        f'name="{name}">{system}{rest}</ssd:SystemStructureDescription>'
    )


# Everything SSP 1.0 has: nested systems, geometry, dictionaries, bindings, mappings, units, enumerations, annotations.
FULL_1 = ssd(
    """
  <ssd:System name="plant" id="p1" description="a plant &amp; more">
    <ssd:Connectors>
      <ssd:Connector name="u" kind="input"><ssc:Real unit="kN"/><ssd:ConnectorGeometry x="0" y="0.5"/></ssd:Connector>
      <ssd:Connector name="y" kind="output"><ssc:Real unit="mm"/></ssd:Connector>
      <ssd:Connector name="mode" kind="parameter"><ssc:Enumeration name="Mode"/></ssd:Connector>
      <ssd:Connector name="raw" kind="output"><ssc:Binary mime-type="application/x-osi"/></ssd:Connector>
    </ssd:Connectors>
    <ssd:ElementGeometry x1="-10" y1="-10" x2="10" y2="10" rotation="90" iconSource="resources/a.png" iconFlip="true"/>
    <ssd:ParameterBindings>
      <ssd:ParameterBinding source="resources/plant.ssv" prefix="sub.">
        <ssd:ParameterMapping source="resources/plant.ssm"/>
        <ssd:Annotations><ssc:Annotation type="com.example.note"><x xmlns="urn:x">keep <b>me</b> whole</x></ssc:Annotation></ssd:Annotations>
      </ssd:ParameterBinding>
      <ssd:ParameterBinding type="application/x-cdf" source="resources/data.cdf"/>
    </ssd:ParameterBindings>
    <ssd:Elements>
      <ssd:System name="sub">
        <ssd:Connectors><ssd:Connector name="in" kind="input"/></ssd:Connectors>
        <ssd:Elements>
          <ssd:Component name="a" source="resources/a.fmu" implementation="CoSimulation" tool:order="3">
            <ssd:Connectors>
              <ssd:Connector name="u" kind="input"><ssc:Real unit="N"/></ssd:Connector>
              <ssd:Connector name="s" kind="output"><ssc:String/></ssd:Connector>
              <ssd:Connector name="n" kind="calculatedParameter"><ssc:Integer/></ssd:Connector>
            </ssd:Connectors>
            <ssd:ParameterBindings>
              <ssd:ParameterBinding>
                <ssd:ParameterValues>
                  <ssv:ParameterSet version="1.0" name="inline">
                    <ssv:Parameters>
                      <ssv:Parameter name="k" id="k1"><ssv:Real value="1.5e3" unit="mN"/></ssv:Parameter>
                      <ssv:Parameter name="flag"><ssv:Boolean value="true"/></ssv:Parameter>
                      <ssv:Parameter name="mode"><ssv:Enumeration value="fast" name="Mode"/></ssv:Parameter>
                      <ssv:Parameter name="bytes"><ssv:Binary value="00ff"/></ssv:Parameter>
                    </ssv:Parameters>
                    <ssv:Units><ssc:Unit name="mN"><ssc:BaseUnit kg="1" m="1" s="-2" factor="0.001"/></ssc:Unit></ssv:Units>
                  </ssv:ParameterSet>
                </ssd:ParameterValues>
                <ssd:ParameterMapping>
                  <ssm:ParameterMapping version="1.0">
                    <ssm:MappingEntry source="k" target="gain" suppressUnitConversion="true">
                      <ssc:LinearTransformation factor="2" offset="-1"/>
                    </ssm:MappingEntry>
                    <ssm:MappingEntry source="flag" target="off">
                      <ssc:BooleanMappingTransformation>
                        <ssc:MapEntry source="true" target="false"/><ssc:MapEntry source="false" target="true"/>
                      </ssc:BooleanMappingTransformation>
                    </ssm:MappingEntry>
                  </ssm:ParameterMapping>
                </ssd:ParameterMapping>
              </ssd:ParameterBinding>
            </ssd:ParameterBindings>
          </ssd:Component>
        </ssd:Elements>
        <ssd:Connections>
          <ssd:Connection startConnector="in" endElement="a" endConnector="u" suppressUnitConversion="true">
            <ssc:LinearTransformation factor="1000"/>
            <ssd:ConnectionGeometry pointsX="1 2.5 3" pointsY="-1 0 1"/>
          </ssd:Connection>
        </ssd:Connections>
      </ssd:System>
      <ssd:SignalDictionaryReference name="bus" dictionary="can">
        <ssd:Connectors><ssd:Connector name="speed" kind="inout"/></ssd:Connectors>
      </ssd:SignalDictionaryReference>
      <ssd:Component name="model" type="text/x-modelica" source="resources/M.mo"/>
    </ssd:Elements>
    <ssd:Connections><ssd:Connection startConnector="u" endElement="sub" endConnector="in"/></ssd:Connections>
    <ssd:SignalDictionaries>
      <ssd:SignalDictionary name="can">
        <ssb:SignalDictionary version="1.0">
          <ssb:DictionaryEntry name="speed"><ssc:Real unit="m/s"/></ssb:DictionaryEntry>
          <ssb:Units><ssc:Unit name="m/s"><ssc:BaseUnit m="1" s="-1"/></ssc:Unit></ssb:Units>
        </ssb:SignalDictionary>
      </ssd:SignalDictionary>
      <ssd:SignalDictionary name="file" source="resources/bus.ssb"/>
    </ssd:SignalDictionaries>
    <ssd:SystemGeometry x1="0" y1="0" x2="200" y2="100"/>
    <ssd:GraphicalElements><ssd:Note x1="0" y1="0" x2="1" y2="1" text="first line&#10;second line"/></ssd:GraphicalElements>
    <ssd:Annotations>
      <ssc:Annotation type="com.example.tool"><tool:layout xmlns:q="urn:q" q:grid="5"><tool:node/></tool:layout></ssc:Annotation>
    </ssd:Annotations>
  </ssd:System>""",
    rest="""
  <ssd:Enumerations><ssc:Enumeration name="Mode"><ssc:Item name="slow" value="1"/><ssc:Item name="fast" value="2"/></ssc:Enumeration></ssd:Enumerations>
  <ssd:Units>
    <ssc:Unit name="kN"><ssc:BaseUnit kg="1" m="1" s="-2" factor="1000"/></ssc:Unit>
    <ssc:Unit name="N"><ssc:BaseUnit kg="1" m="1" s="-2"/></ssc:Unit>
    <ssc:Unit name="mm"><ssc:BaseUnit m="1" factor="0.001"/></ssc:Unit>
  </ssd:Units>
  <ssd:DefaultExperiment startTime="0" stopTime="1e1"><ssd:Annotations><ssc:Annotation type="com.example.step">0.01</ssc:Annotation></ssd:Annotations></ssd:DefaultExperiment>
""",
    more='author="A. Author" generationTool="by hand" generationDateAndTime="2024-01-01T00:00:00Z" xmlns:tool="urn:tool"',
)

# What SSP 2.0 adds: types of FMI 3, dimensions, structural parameters, meta data, indices; and what nobody knows yet.
FULL_2 = ssd(
    """
  <ssd:System name="root">
    <ssd:Connectors>
      <ssd:Connector name="n" kind="structuralParameter"><ssc:UInt64/></ssd:Connector>
      <ssd:Connector name="w" kind="output"><ssc:Float64 unit="m"/><ssc:Dimension size="3"/><ssc:Dimension sizeConnector="n"/></ssd:Connector>
      <ssd:Connector name="tick" kind="input"><ssc:Clock intervalVariability="constant" intervalDecimal="0.1"/></ssd:Connector>
      <ssd:Connector name="sampled" kind="local"><ssc:Float32/><ssc:Clock name="tick"/></ssd:Connector>
    </ssd:Connectors>
    <ssc:MetaData kind="general" type="application/x-srmd-meta-data" source="extra/about.srmd"/>
    <ssd:Elements future="1">
      <ssd:Component name="design"/>
      <ssd:Component name="c" source="resources/c.fmu" implementation="ScheduledExecution"><ssd:Connectors>
        <ssd:Connector name="w" kind="input"><ssc:Float64/><ssc:Dimension/></ssd:Connector></ssd:Connectors></ssd:Component>
      <ssd:Something new="thing">with text</ssd:Something>
    </ssd:Elements>
    <ssd:Connections>
      <ssd:Connection startConnector="w" startIndices="1 2" endElement="c" endConnector="w" endIndices="3"/>
    </ssd:Connections>
    <ssd:Unheard><of/></ssd:Unheard>
  </ssd:System>""",
    version="2.0",
    rest="<ssd:Variant name='v' baseSSD='SystemStructure.ssd' kind='parameterVariant'/>",
)

SSV_2 = f"""<ssv:ParameterSet {NAMESPACES} version="2.0" name="arrays">
  <ssv:Parameters>
    <ssv:Parameter name="u"><ssv:Float64 value="1 2.5 3"/><ssc:Dimension size="3"/></ssv:Parameter>
    <ssv:Parameter name="names"><ssv:String><ssv:Value value="a"/><ssv:Value value="b c"/></ssv:String><ssc:Dimension size="2"/></ssv:Parameter>
  </ssv:Parameters>
</ssv:ParameterSet>"""
